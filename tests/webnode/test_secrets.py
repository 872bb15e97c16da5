"""Passwords and tokens are found nowhere but where they belong; the log names requests instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import server_process
from tests.api import Api
from tests.server_process import ServerProcess

PASSWORD = "Canary-in-the-mine-7351"
WRONG = "Canary-that-is-wrong-7352"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that logs everything."""
    running = server_process.start(tmp_path_factory.mktemp("secrets"), "--debug", password=PASSWORD)
    yield running
    running.stop()


def _log(server: ServerProcess) -> str:
    return (server.data_dir.parent / "server.log").read_text()


def _operations(access: str, refresh: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that carry secrets where requests carry them, and where they don't."""
    json = {"Content-Type": "application/json"}
    return [
        ("GET", "/services", {}),
        ("POST", "/login", {"json": {"username": "admin", "password": WRONG}}),
        ("POST", "/login", {"json": {"username": WRONG, "password": PASSWORD}}),
        ("POST", "/login", {"json": {"username": "admin", "password": [PASSWORD]}}),
        ("POST", "/login", {"data": f'{{"username": "admin", "password": "{PASSWORD}"', "headers": json}),
        ("POST", "/login", {"params": {"password": PASSWORD}, "json": {}}),
        ("POST", "/login/refreshToken", {"json": {"refreshToken": access}}),
        ("POST", "/login/refreshToken", {"json": {"refreshToken": {"it": refresh}}}),
        ("PUT", f"/login/refreshToken/{refresh}", {}),
        ("DELETE", "/login/refreshToken", {"params": {"refresh": refresh}}),
        ("GET", f"/no/such/route/{refresh}", {"params": {"access_token": access}}),
        ("GET", f"/services/{PASSWORD}", {}),
        ("GET", f"/services/{PASSWORD}/{refresh}", {}),
        ("POST", f"/services/{refresh}%2f/x", {"json": {}}),
        ("POST", f"/api/{PASSWORD}/V1.0", {"json": {"password": PASSWORD}}),
        ("POST", f"/sessions/{refresh}/execute", {"json": {"code": f"password = {PASSWORD!r}"}}),
        ("POST", "/sessions/x/execute", {"data": b"\xff" + PASSWORD.encode(), "headers": json}),
        ("GET", "/services", {"headers": {"Authorization": f"Basic {refresh}"}}),
        ("GET", "/services", {"headers": {"Authorization": f"Bearer {access}x"}}),
        ("POST", "/api/x/y", {"headers": {"Authorization": f"Bearer {refresh}"}, "json": {}}),
    ]


def test_no_secret_is_left_behind(server: ServerProcess) -> None:
    api = Api(server)
    first = dict(api.tokens)
    pair = api.ok("POST", "/login/refreshToken", json={"refreshToken": first["refresh_token"]})
    api.http.headers["Authorization"] = f"Bearer {pair['access_token']}"
    in_path = Api(server)
    answers = [
        api.send(method, path, **options)
        for method, path, options in _operations(pair["access_token"], pair["refresh_token"])
    ]
    path = api.publish("Calm", "y = 1")
    assert api.consume(path)["success"]
    session = api.session()
    api.execute(session, "1 / 0")
    # Both ways to revoke, and a token used twice.
    answers.append(in_path.send("DELETE", f"/login/refreshToken/{in_path.tokens['refresh_token']}"))
    answers.append(api.send("DELETE", "/login/refreshToken", params={"refreshToken": pair["refresh_token"]}))
    answers.append(api.send("DELETE", f"/login/refreshToken/{first['refresh_token']}"))
    answers.append(api.send("GET", "/services"))
    assert [answer.status_code for answer in answers[-4:]] == [200, 200, 401, 401]
    secrets = [PASSWORD, WRONG]
    for tokens in (first, pair, in_path.tokens):
        secrets += [tokens["access_token"].rpartition(".")[2], tokens["refresh_token"].partition(".")[2]]
    assert all(len(secret) > 20 for secret in secrets)
    for answer in answers:
        # A path that names nothing may be told back to who asked for it; a log is for others.
        told = answer.text.replace(PASSWORD, "") if "There is no service" in answer.text else answer.text
        assert not [secret for secret in secrets if secret in told and secret not in answer.url], answer.text
    server.terminate()
    _found_nowhere(secrets, server.data_dir.parent)


def _found_nowhere(secrets: list[str], home: Path) -> None:
    read = 0
    for file in home.rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            read += len(content)
            for secret in secrets:
                assert secret.encode() not in content, (file, secret)
    assert read > 10_000


def test_each_management_request_has_a_line_with_its_id(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)
    path = api.publish("Logged", "y = 1")
    sent = {
        "PATCH /services/{name}/{version} 200": api.send("PATCH", "/services/Logged/V1.0", json={"description": "x"}),
        "GET /services/{name}/{version} 404": api.send("GET", "/services/Logged/V9"),
        "DELETE /sessions/{id} 404": api.send("DELETE", "/sessions/unknown"),
        "GET - 404": api.send("GET", "/no/such/route"),
    }
    refused = requests.get(f"{server.url}/services", timeout=60)
    read, called = api.send("GET", "/services"), api.send("POST", path, json={})
    server.terminate()
    log = _log(server)
    for line, answer in sent.items():
        identity = answer.headers["x-request-id"]
        user = "-" if " - " in line else "admin"
        assert re.search(rf"INFO \S+: {re.escape(line)} \d+\.\d ms request={identity} user={user}\n", log), line
    assert f"request={refused.headers['x-request-id']} user=-" in log
    # What only reads, and calls of services, would drown the rest.
    assert read.headers["x-request-id"] not in log
    assert called.headers["x-request-id"] not in log


def test_a_fault_of_the_server_is_logged_under_the_id_of_its_request(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    api = Api(server)
    api.ok("GET", "/services")
    database = server.data_dir / "deployr.sqlite3"
    database.rename(database.with_suffix(".aside"))
    response = api.send("GET", "/snapshots")
    assert response.status_code == 500
    server.terminate()
    identity = response.headers["x-request-id"]
    log = _log(server)
    assert f"WARNING jupyter_deployr.webnode.error_bodies: request {identity}: The database file is gone" in log
    assert f"request={identity} user=admin" in log
