"""Login, and what a token is worth."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from jupyter_deployr.protocol.errors import Unauthorized, Unavailable
from jupyter_deployr.webnode.auth import LocalAccounts, Principal, SigningKeys, Tokens, TokenSigner
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.store import AccessChanges, Account, AccountStore, Database, TokenFamilyStore
from tests.api import ERROR_MEMBERS, Api
from tests.server_process import ServerProcess


def test_login_answers_with_a_pair_of_tokens(server: ServerProcess) -> None:
    before = time.time()
    response = requests.post(f"{server.url}/login", json={"username": "admin", "password": server.password}, timeout=60)
    assert response.status_code == 200
    assert ": " not in response.text
    body = response.json()
    assert list(body) == ["token_type", "access_token", "expires_in", "expires_on", "refresh_token"]
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert before + 3590 < int(body["expires_on"]) < time.time() + 3610
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ({"username": "admin", "password": "wrong"}, 401),
        ({"username": "nobody", "password": "wrong"}, 401),
        ({"username": "admin", "password": ""}, 400),
        ({"username": "admin"}, 400),
        ({"username": "admin", "password": 7}, 400),
        ([], 400),
        ({"username": "admin", "password": "\ud800"}, 400),
        ({"username": "\ud800", "password": "x"}, 400),
    ],
)
def test_login_refuses(api: Api, credentials: object, status: int) -> None:
    api.error("POST", "/login", status, json=credentials)


def test_a_wrong_name_and_a_wrong_password_look_the_same(api: Api) -> None:
    answers = [
        api.error("POST", "/login", 401, json={"username": name, "password": "wrong"}) for name in ("admin", "nobody")
    ]
    assert answers[0] == answers[1]


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _forged(token: str, address: str) -> dict[str, str]:
    """Tokens that are none. `address` is where a verifier that asks for keys would find one."""
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    key_id = jwt.get_unverified_header(token)["kid"]
    stranger = ec.generate_private_key(ec.SECP256R1())
    secret = stranger.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mac = jwt.PyJWT().encode(claims, base64.b64encode(secret).decode(), algorithm="HS256", headers={"kid": key_id})
    return {
        "no algorithm": f"{_encoded({'alg': 'none', 'typ': 'JWT', 'kid': key_id})}.{payload}.",
        "another algorithm": mac,
        "another key": jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": key_id}),
        "unknown key id": jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": "other"}),
        "a key by address": jwt.encode(claims, stranger, algorithm="ES256", headers={"jku": address}),
        "a certificate by address": jwt.encode(claims, stranger, algorithm="ES256", headers={"x5u": address}),
        "its own key": jwt.encode(
            claims,
            stranger,
            algorithm="ES256",
            headers={"kid": key_id, "jwk": ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)},
        ),
        "changed claims": f"{header}.{_encoded({**claims, 'sub': 'root'})}.{signature}",
        "changed algorithm": f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{payload}.{signature}",
        "critical": f"{_encoded({'alg': 'ES256', 'kid': key_id, 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
        "key id of another kind": f"{_encoded({'alg': 'ES256', 'kid': 7})}.{payload}.{signature}",
        "header that is no object": f"{_encoded([])}.{payload}.{signature}",
        "no signature": f"{header}.{payload}",
        "too long": token + "x" * 1_000_000,
        "empty": "",
        "garbage": "a.b.c",
        "not ascii": "jeton-é",
    }


def test_forged_tokens_are_refused(server: ServerProcess, api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        for path in ("/services/x", "/api/x/y"):
            for what, token in _forged(api.tokens["access_token"], address).items():
                response = requests.post(
                    server.url + path, headers={"Authorization": f"Bearer {token}".encode()}, json={}, timeout=60
                )
                assert response.status_code in (400, 401, 431), what
                assert token == "" or token not in response.text, what
        # Nobody has asked there.
        with pytest.raises(BlockingIOError):
            trap.accept()


@pytest.mark.parametrize("header", ["Basic YWRtaW46eA==", "Bearer", "bearer ", "{token}", "Token {token}"])
def test_a_header_of_another_kind_is_refused(server: ServerProcess, api: Api, header: str) -> None:
    value = header.format(token=api.tokens["access_token"])
    response = requests.get(f"{server.url}/services", headers={"Authorization": value}, timeout=60)
    assert response.status_code == 401


def test_a_refresh_token_is_no_access_token_and_the_reverse(server: ServerProcess) -> None:
    api = Api(server)
    access, refresh = api.tokens["access_token"], api.tokens["refresh_token"]
    api.error("GET", "/services", 401, headers={"Authorization": f"Bearer {refresh}"})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": access})


def test_renewal_replaces_the_pair(server: ServerProcess) -> None:
    api = Api(server)
    api.ok("GET", "/services")
    renewed = api.ok("POST", "/login/refreshToken", json={"refreshToken": api.tokens["refresh_token"]})
    api.error("GET", "/services", 401)
    api.ok("GET", "/services", headers={"Authorization": f"Bearer {renewed['access_token']}"})


def test_a_used_refresh_token_ends_the_sign_in(server: ServerProcess) -> None:
    api = Api(server)
    renewed = api.ok("POST", "/login/refreshToken", json={"refreshToken": api.tokens["refresh_token"]})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": api.tokens["refresh_token"]})
    api.error("GET", "/services", 401, headers={"Authorization": f"Bearer {renewed['access_token']}"})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": renewed["refresh_token"]})


@pytest.mark.parametrize("in_path", [False, True])
def test_revocation_is_effective_at_once(server: ServerProcess, in_path: bool) -> None:
    api = Api(server)
    path = api.publish(f"Revoked{in_path}", "y = 1")
    api.consume(path)
    refresh = api.tokens["refresh_token"]
    where: dict[str, Any] = (
        {"path": f"/login/refreshToken/{quote(refresh)}"}
        if in_path
        else {"path": "/login/refreshToken", "params": {"refreshToken": refresh}}
    )
    body = api.ok("DELETE", **where)
    assert set(body.values()) == {None}
    api.error("POST", path, 401, json={})
    api.error("GET", "/services", 401)
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": refresh})
    api.error("DELETE", status=401, **where)


@pytest.mark.parametrize("token", ["a/b+c", "x", "%00", "é", "x" * 10_000])
def test_a_path_that_ends_in_no_refresh_token(api: Api, token: str) -> None:
    assert api.error("DELETE", f"/login/refreshToken/{token}", 401)["message"] == "Invalid or expired refresh token."


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the tokens' database and keys are."""
    return tmp_path


@pytest.fixture
def tokens(directory: Path) -> Iterator[Tokens]:
    database = Database(f"sqlite:///{directory / 'x.sqlite3'}")
    AccountStore(database).put(Account("ann", "", "Reader", generated=False))
    accounts = LocalAccounts(AccountStore(database), directory)
    signer = TokenSigner(SigningKeys(directory / "keys", token_seconds=100))
    settings = Settings(directory, access_token_seconds=100, refresh_token_seconds=1000, sign_in_seconds=2000)
    yield Tokens(TokenFamilyStore(database), accounts, AccessChanges(database), signer, settings)
    database.close()


def _at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from datetime import UTC, datetime

    now = time.time() + seconds

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(now, UTC)

    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr("jwt.api_jwt.datetime", Later)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-86400, "clocks"), (-80, None), (0, None), (150, None), (300, "expired")]
)
def test_the_clock_decides(tokens: Tokens, monkeypatch: pytest.MonkeyPatch, seconds: float, text: str | None) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    _at(monkeypatch, seconds)
    if text is None:
        assert tokens.verify(header) == Principal("ann", "Reader")
    else:
        with pytest.raises(Unauthorized, match=text):
            tokens.verify(header)


def test_a_checked_token_is_not_checked_again_until_it_expires(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    assert tokens.verified(header) is None
    principal = tokens.verify(header)
    assert tokens.verified(header) is principal
    _at(monkeypatch, 101)
    assert tokens.verified(header) is None


def test_a_refresh_token_expires_and_so_does_the_chain(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tokens.issue(Principal("ann", "Reader"))
    _at(monkeypatch, 900)
    pair = tokens.renew(str(pair.refresh_token))
    _at(monkeypatch, 900)
    pair = tokens.renew(str(pair.refresh_token))
    _at(monkeypatch, 201)
    with pytest.raises(Unauthorized):
        tokens.renew(str(pair.refresh_token))


def test_no_token_in_a_repr(tokens: Tokens) -> None:
    pair = tokens.issue(Principal("ann", "Reader"))
    assert str(pair.access_token) not in repr(pair)
    assert str(pair.refresh_token) not in repr(pair)


def _own_key(server: ServerProcess) -> tuple[str, Any]:
    """The key that a server signs with now, and its id."""
    newest = max((server.data_dir / "signing-keys").glob("*.pem"))
    return newest.stem.partition("-")[2], serialization.load_pem_private_key(newest.read_bytes(), password=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"jti": None},
        {"jti": "another"},
        {"family": None},
        {"family": "00000000-0000-4000-8000-000000000000"},
        {"sub": None},
        {"sub": 7},
        {"sub": "another"},
    ],
)
def test_claims_that_are_not_ours_are_refused_under_our_own_key(
    server: ServerProcess, api: Api, changes: dict[str, Any]
) -> None:
    key_id, private = _own_key(server)
    claims = jwt.decode(api.tokens["access_token"], options={"verify_signature": False})
    changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    token = jwt.encode(changed, private, algorithm="ES256", headers={"kid": key_id})
    api.error("GET", "/services", 401, headers={"Authorization": f"Bearer {token}"})


def _public_forms(server: ServerProcess) -> dict[str, bytes]:
    public = _own_key(server)[1].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem,
        "pem without the last newline": pem.rstrip(),
        "pem with CRLF": pem.replace(b"\n", b"\r\n"),
        "pem in one line": pem.replace(b"\n", b""),
        "pem with spaces around": b" \n" + pem + b"\n ",
        "der": public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "point": public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
    }


def test_the_public_key_is_no_secret_to_sign_with(server: ServerProcess, api: Api) -> None:
    key_id = _own_key(server)[0]
    payload = api.tokens["access_token"].split(".")[1]
    for what, secret in _public_forms(server).items():
        for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
            signed = f"{_encoded({'alg': algorithm, 'typ': 'JWT', 'kid': key_id})}.{payload}"
            mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), digest)).rstrip(b"=").decode()
            response = api.send("GET", "/services", headers={"Authorization": f"Bearer {signed}.{mac}"})
            assert response.status_code == 401, (what, algorithm)


@pytest.mark.parametrize(("size", "status"), [(8_000, 401), (60_000, 401), (1_000_000, 431)])
@pytest.mark.parametrize("path", ["/services", "/api/x/y"])
def test_a_long_token_is_refused_quickly(server: ServerProcess, api: Api, path: str, size: int, status: int) -> None:
    log = server.data_dir.parent / "server.log"
    before = log.stat().st_size
    began = time.monotonic()
    token = "x" * size
    refused = requests.get(server.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert refused.status_code == status
    assert refused.json().keys() == ERROR_MEMBERS
    assert refused.json()["code"] == status
    assert time.monotonic() - began < 2
    assert log.stat().st_size - before < 1000
    api.ok("GET", "/services")


def test_what_another_process_ends_is_not_remembered(tokens: Tokens, directory: Path) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    tokens.verify(header)

    async def watch() -> None:
        following = asyncio.create_task(tokens.follow_changes())
        beside = Database(f"sqlite:///{directory / 'x.sqlite3'}")
        AccountStore(beside).put(Account("ann", "", "Contributor", generated=False))
        beside.close()
        deadline = time.monotonic() + 10
        while tokens.verified(header) is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(watch())
    with pytest.raises(Unauthorized, match="revoked"):
        tokens.verify(header)


def test_a_check_that_a_revocation_overtook_is_not_remembered(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tokens.issue(Principal("ann", "Reader"))
    header = f"Bearer {pair.access_token}".encode()
    look_up = LocalAccounts.principal

    def slow(accounts: LocalAccounts, name: str) -> Principal | None:
        tokens.revoke(str(pair.refresh_token))
        return look_up(accounts, name)

    monkeypatch.setattr(LocalAccounts, "principal", slow)
    tokens.verify(header)
    assert tokens.verified(header) is None


def test_a_database_that_cannot_be_asked_ends_nothing_and_is_named_once(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    tokens.verify(header)
    asked = 0

    def refuse(_: AccessChanges) -> int:
        nonlocal asked
        asked += 1
        raise Unavailable("The database is locked.")

    monkeypatch.setattr(AccessChanges, "serial", refuse)

    async def watch() -> None:
        following = asyncio.create_task(tokens.follow_changes())
        deadline = time.monotonic() + 20
        while asked < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(watch())
    assert tokens.verified(header) == Principal("ann", "Reader")
    assert caplog.text.count("can't be asked for changes to accounts") == 1
