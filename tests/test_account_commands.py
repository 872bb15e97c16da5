"""`jupyter deployr user …` as an operator runs it, beside a running server and without one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests import server_process
from tests.accounts import accounts_of
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

Start = Callable[..., ServerProcess]

OTHER = "Another-Horse-8"


def _user(home: Path, *words: str, password: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Run `jupyter deployr user …` about the data directory in `home`, with a password on standard input."""
    command = [sys.executable, "-m", "jupyter_deployr", "user", *words]
    if words[1:] != ("--help",):
        command += ["--data-dir", str(home / "deployr")]
    return subprocess.run(
        command,
        env=server_process.environment(home),
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _done(home: Path, *words: str, password: str = "") -> str:
    """What a command that must succeed says."""
    done = _user(home, *words, password=password)
    assert (done.returncode, done.stderr) == (0, "")
    assert not password or password not in done.stdout
    return done.stdout


def test_an_account_from_its_beginning_to_its_end(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    home = tmp_path
    assert _done(home, "add", "ann", "--role", "contributor", password=server.password) == "Added ann, Contributor.\n"
    api = Api(server, "ann")
    path = api.publish("Anns", "y = 1")
    assert _done(home, "list") == "admin  Owner\nann    Contributor\n"

    def ended() -> bool:
        statuses = {api.send("POST", path, json={}).status_code, api.send("GET", "/services").status_code}
        return statuses == {401}

    # Within a second; the rest is for a machine with much else to do.
    assert _done(home, "passwd", "ann", password=OTHER) == "Changed the password of ann.\n"
    wait_until(ended, 5)
    api.error("POST", "/login", 401, json={"username": "ann", "password": server.password})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": api.tokens["refresh_token"]})
    pair = api.ok("POST", "/login", json={"username": "ann", "password": OTHER})
    api.http.headers["Authorization"] = f"Bearer {pair['access_token']}"
    assert api.consume(path)["success"]

    assert _done(home, "remove", "ann") == "Removed ann.\n"
    wait_until(ended, 5)
    api.error("POST", "/login", 401, json={"username": "ann", "password": OTHER})
    # What the account has published stays.
    (service,) = Api(server).ok("GET", "/services/Anns")
    assert service["owner"] == "ann"


def test_roles_and_the_administrator(start_server: Start, tmp_path: Path) -> None:
    server = start_server(password="")
    generated = server.data_dir / "admin-password"
    with accounts_of(server) as accounts:
        accounts.add("rita", "Reader", OTHER)
    assert _done(tmp_path, "role", "rita", "--role", "Owner") == "rita is Owner.\n"
    assert _done(tmp_path, "passwd", "admin", password=server_process.PASSWORD) == "Changed the password of admin.\n"
    assert not generated.exists()
    server.terminate()
    # Without the server it goes on, and the server finds it so.
    assert _done(tmp_path, "list") == "admin  Owner\nrita   Owner\n"
    again = start_server(password="")
    login = {"username": "admin", "password": server_process.PASSWORD}
    assert requests.post(f"{again.url}/login", json=login, timeout=60).status_code == 200


def test_accounts_before_the_first_start_of_the_server(start_server: Start, tmp_path: Path) -> None:
    _done(tmp_path, "add", "ann", "--role", "Reader", password=server_process.PASSWORD)
    open_to_others = [path for path in (tmp_path / "deployr").rglob("*") if path.lstat().st_mode & 0o077]
    assert open_to_others == []
    Api(start_server(), "ann").ok("GET", "/services")


def test_the_servers_configuration_says_where_the_accounts_are(tmp_path: Path) -> None:
    database = tmp_path / "elsewhere.sqlite3"
    config = tmp_path / "config" / "jupyter_deployr_serve_config.py"
    config.parent.mkdir()
    config.write_text(f"c.ServeApp.database = 'sqlite:///{database}'\nc.ServeApp.data_dir = {str(tmp_path / 'd')!r}\n")
    command = [sys.executable, "-m", "jupyter_deployr", "user", "add", "ann", "--role", "Reader"]
    done = subprocess.run(
        command,
        env=server_process.environment(tmp_path),
        input=OTHER,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "Added ann, Reader.\n"
    assert (database.exists(), (tmp_path / "d").is_dir()) == (True, True)
    assert _done(tmp_path, "list", "--database", f"sqlite:///{database}") == "ann  Reader\n"


@pytest.mark.parametrize(
    ("words", "password", "reason"),
    [
        (["add", "ann"], OTHER, "the option --role is missing"),
        (["add", "--role", "Reader"], OTHER, "the name of the account is missing"),
        (["add", "ann", "bob", "--role", "Reader"], OTHER, "unexpected argument 'bob'"),
        (["add", "ann", "--role", "King"], OTHER, "'King' is no role"),
        (["add", "a/b", "--role", "Reader"], OTHER, "'a/b' can't be the name of an account"),
        (["add", "ann", "--role", "Reader"], "short", "fewer than 8 characters"),
        (["add", "ann", "--role", "Reader", "--password", OTHER], "", "unknown option --password"),
        (["passwd", "nobody"], OTHER, "no account 'nobody'"),
        (["remove", "admin"], "", "'admin' can't be removed"),
        (["frobnicate"], "", "unexpected argument 'frobnicate'"),
    ],
)
def test_what_is_refused(tmp_path: Path, words: list[str], password: str, reason: str) -> None:
    refused = _user(tmp_path, *words, password=password)
    assert refused.returncode != 0
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert line.startswith("jupyter deployr: ")
    assert reason in line


@pytest.mark.parametrize(
    ("second", "said"), [(OTHER, "Added ann, Reader."), ("Yet-another-9", "the two passwords differ")]
)
def test_a_terminal_is_asked_twice_and_shows_nothing(tmp_path: Path, second: str, said: str) -> None:
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "jupyter_deployr", "user", "add", "ann", "--role", "Reader"]
    with subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "deployr")],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env=server_process.environment(tmp_path),
        start_new_session=True,
    ):
        os.close(other_end)
        shown = b""
        for answer, prompt in ((OTHER, b"New password of ann: "), (second, b"The same once more: ")):
            while prompt not in shown:
                shown += os.read(terminal, 1024)
            os.write(terminal, f"{answer}\n".encode())
        while True:
            try:
                shown += os.read(terminal, 1024)
            except OSError:
                # How Linux says that nobody has the other end open any more.
                break
    os.close(terminal)
    assert said in shown.decode()
    assert OTHER not in shown.decode()
    assert second not in shown.decode()
