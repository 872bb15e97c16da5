"""What the log says of calls that failed, and of the workers that ended in them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until

CODE = """
import os, signal
if x == 1: os.kill(os.getpid(), signal.SIGKILL)
if x == 2: raise ValueError('secret')
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's log is."""
    return tmp_path_factory.mktemp("logged")


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[Api]:
    """A server with a log of its own, and the service `Logged`."""
    running: ServerProcess = server_process.start(
        home, "--ServeApp.workers=1", "--ServeApp.warm_sessions=0", "--ServeApp.slow_request_seconds=1"
    )
    api = Api(running)
    api.publish("Logged", CODE, inputParameterDefinitions=definitions(x="integer"))
    yield api
    running.stop()


@pytest.fixture
def new_lines(home: Path) -> Callable[[], list[str]]:
    """The lines that the log has got since the test began."""
    begin = len((home / "server.log").read_text())
    return lambda: (home / "server.log").read_text()[begin:].splitlines()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/Logged/V1.0", '{"x": "secret"}', 400),
        ("POST", "/api/Logged/V1.0", "secret", 400),
        ("POST", "/api/secret/V1.0", "{}", 404),
        ("GET", "/api/Logged/V1.0", "", 405),
    ],
)
def test_a_call_that_its_caller_got_wrong(
    api: Api, new_lines: Callable[[], list[str]], method: str, path: str, body: str, status: int
) -> None:
    answer = api.send(method, path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    identity = answer.headers["x-request-id"]
    wait_until(new_lines)
    (line,) = new_lines()
    assert line.endswith(
        f" INFO jupyter_deployr.webnode.call_log: {method} /api/{{name}}/{{version}} {status} request={identity}"
    )


def test_a_worker_that_died(api: Api, new_lines: Callable[[], list[str]]) -> None:
    answer = api.send("POST", "/api/Logged/V1.0", json={"x": 1})
    assert answer.status_code == 502
    wait_until(lambda: len(new_lines()) == 2)
    worker, call = new_lines()
    assert worker.endswith(
        " WARNING jupyter_deployr.computenode.pool: a worker of Logged V1.0 has ended by itself (killed by SIGKILL)"
    )
    assert f" 502 request={answer.headers['x-request-id']}: The worker process of this call ended" in call


def test_good_calls_and_errors_of_their_code_have_no_line(api: Api, new_lines: Callable[[], list[str]]) -> None:
    assert api.consume("/api/Logged/V1.0", x=0)["success"]
    assert not api.consume("/api/Logged/V1.0", x=2)["success"]
    last = api.send("POST", "/api/nothing/V1.0", json={}).headers["x-request-id"]
    wait_until(lambda: any(last in line for line in new_lines()))
    assert len(new_lines()) == 1


def test_what_is_no_http(api: Api, new_lines: Callable[[], list[str]]) -> None:
    answer = api.send("FOO", "/services")
    assert answer.status_code == 400
    wait_until(new_lines)
    (line,) = new_lines()
    assert line.endswith(f": 400 request={answer.headers['x-request-id']}: Invalid HTTP request received.")


# Who sends it need not have an account for the first.
UNFINISHED = {
    "a login": ("POST /login", "application/json", b'{"username": '),
    "a publication": ("POST /services/Half/V1.0", "application/json", b'{"code": '),
    "a batch": ("POST /api/Logged/V1.0/batch", "application/json", b"[{"),
    "a file": ("POST /sessions/{}/files", "multipart/form-data; boundary=b", b"--b\r\n"),
    "an object": ("POST /sessions/{}/workspace/x", "application/octet-stream", b"abc"),
}


def _begin(api: Api, line: str, kind: str, body: bytes) -> socket.socket:
    """Send a request that says that it has more to say."""
    parts = urlsplit(api.url)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)
    token = api.tokens["access_token"]
    head = f"{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\n"
    connection.sendall(f"{head}content-length: 1000\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("ends", ["gone", "408"])
@pytest.mark.parametrize("what", UNFINISHED)
def test_a_request_that_breaks_off_has_one_line(
    api: Api, new_lines: Callable[[], list[str]], what: str, ends: str
) -> None:
    line, kind, body = UNFINISHED[what]
    if "{}" in line:
        line = line.format(api.session())
    before = len(new_lines())
    with _begin(api, line, kind, body) as connection:
        if ends == "408":
            assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")
    # The server says besides why it has refused one.
    count = 1 if ends == "gone" else 2
    wait_until(lambda: len(new_lines()) >= before + count)
    lines = new_lines()[before:]
    assert len(lines) == count
    assert f" {ends} " in lines[-1]
    assert " INFO jupyter_deployr.webnode.access_log: POST /" in lines[-1]


def test_requests_that_break_off_are_no_flood_of_lines(api: Api, new_lines: Callable[[], list[str]]) -> None:
    for _ in range(60):
        _begin(api, *UNFINISHED["a login"]).close()
    wait_until(lambda: any(" more requests that never came to their end within 10 s" in line for line in new_lines()))
    assert len(new_lines()) < 30


def test_a_flood_of_failing_calls_is_no_flood_of_lines(api: Api, new_lines: Callable[[], list[str]]) -> None:
    for _ in range(60):
        api.error("POST", "/api/Logged/V1.0", 400, json={"x": "secret"})
    killed = api.send("POST", "/api/Logged/V1.0", json={"x": 1}).headers["x-request-id"]
    wait_until(lambda: any(" more calls with a status of 4xx within 10 s" in line for line in new_lines()))
    lines = new_lines()
    assert any(killed in line for line in lines), "what the server is to blame for isn't lost in it"
    assert 10 < len(lines) < 30
    assert not any("secret" in line for line in lines)
