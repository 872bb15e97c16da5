"""The keys that sign access tokens: how one follows another."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from jupyter_deployr.webnode.auth import DamagedKey, SigningKeys, TokenSigner
from jupyter_deployr.webnode.auth.signing import InvalidToken
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

Start = Callable[..., ServerProcess]


def _later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: now)


def _claims(seconds: int = 1000) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "ann", "family": "f", "jti": "j", "iat": now, "exp": now + seconds}


def _key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_key_is_made_once(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path / "keys", 100)
    first = keys.current()
    assert keys.current() is first
    assert SigningKeys(tmp_path / "keys", 100).current().id == first.id
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_the_old_key_verifies_until_what_it_signed_has_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = SigningKeys(tmp_path, 100)
    signer = TokenSigner(keys)
    old = signer.sign(_claims())
    keys.rotate()
    new = signer.sign(_claims())
    assert _key_id(old) != _key_id(new)
    assert signer.verify(old)["sub"] == signer.verify(new)["sub"] == "ann"
    _later(monkeypatch, 185)
    signer.sign(_claims())
    assert signer.verify(old)
    _later(monkeypatch, 10)
    assert _key_id(signer.sign(_claims())) == _key_id(new)
    assert [path.stem.partition("-")[2] for path in tmp_path.iterdir()] == [_key_id(new)]
    with pytest.raises(InvalidToken, match="not issued by this server"):
        signer.verify(old)
    assert signer.verify(new)


def test_another_process_rotates(tmp_path: Path) -> None:
    signer = TokenSigner(SigningKeys(tmp_path, 100))
    old = signer.sign(_claims())
    beside = SigningKeys(tmp_path, 100)
    assert _key_id(signer.sign(_claims())) == _key_id(old)
    fresh = beside.rotate()
    assert TokenSigner(beside).verify(old)
    # Also before this process has signed anything with it.
    assert signer.verify(TokenSigner(beside).sign(_claims()))
    assert _key_id(signer.sign(_claims())) == fresh.id
    assert signer.verify(old)
    beside.remove_others()
    with pytest.raises(InvalidToken):
        signer.verify(old)


@pytest.mark.parametrize(("key_seconds", "rotated"), [(0, False), (1000, False), (400, True)])
def test_a_new_key_takes_over_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_seconds: int, rotated: bool
) -> None:
    keys = SigningKeys(tmp_path, 100, key_seconds)
    old = keys.current().id
    _later(monkeypatch, 500)
    assert (keys.current().id != old) is rotated
    assert keys.find(old) is not None


def test_a_damaged_file_is_refused_at_the_start_and_passed_over_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = SigningKeys(tmp_path, 100)
    current = keys.current()
    for name, content in (("zzz.pem", b"junk"), ("9-abc.pem", current.path.read_bytes()), ("9.pem", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        with caplog.at_level(logging.ERROR):
            assert keys.current() is current
        assert name in caplog.text
        assert "PRIVATE" not in caplog.text
        with pytest.raises(DamagedKey, match=name):
            SigningKeys(tmp_path, 100)
        (tmp_path / name).unlink()
    (tmp_path / "notes.txt").write_text("no key")
    (tmp_path / ".draft.pem.0123abcd").write_text("half a key")
    assert SigningKeys(tmp_path, 100).current().id == current.id


# ------------------------------------------------------------------------------------------------- a running server


def _rotate(server: ServerProcess, *options: str) -> str:
    """The id of the new key."""
    command = [sys.executable, "-m", "jupyter_deployr", "rotate-key", "--data-dir", str(server.data_dir), *options]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith("The key ")
    return done.stdout.split()[2]


def test_a_running_server_takes_the_new_key(start_server: Start) -> None:
    server = start_server()
    before = Api(server)
    path = before.publish("Signed", "y = 1")
    old = _key_id(before.tokens["access_token"])
    fresh = _rotate(server)
    after = Api(server)
    assert (fresh != old, _key_id(after.tokens["access_token"])) == (True, fresh)
    assert before.consume(path)["success"]
    assert after.consume(path)["success"]
    # A stolen key: what it signed ends, the sign-in itself does not.
    newest = _rotate(server, "--now")
    for api in (before, after):
        wait_until(lambda api=api: api.send("POST", path, json={}).status_code == 401, 5)
    renewed = after.ok("POST", "/login/refreshToken", json={"refreshToken": after.tokens["refresh_token"]})
    assert _key_id(renewed["access_token"]) == newest
    after.ok("POST", path, json={}, headers={"Authorization": f"Bearer {renewed['access_token']}"})
    assert len(list((server.data_dir / "signing-keys").glob("*.pem"))) == 1


def test_lives_of_tokens_and_keys_are_settings(start_server: Start) -> None:
    server = start_server(
        "--ServeApp.access_token_seconds=7",
        "--ServeApp.refresh_token_seconds=30",
        "--ServeApp.sign_in_seconds=1",
        "--ServeApp.signing_key_seconds=1",
    )
    api = Api(server)
    claims = jwt.decode(api.tokens["access_token"], options={"verify_signature": False})
    assert api.tokens["expires_in"] == 7
    assert claims["exp"] - claims["iat"] == 7
    assert int(api.tokens["expires_on"]) == claims["exp"]
    # The sign-in ends with its second, however long the refresh token would have lived.
    wait_until(lambda: _key_id(Api(server).tokens["access_token"]) != _key_id(api.tokens["access_token"]), 10)
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": api.tokens["refresh_token"]})
