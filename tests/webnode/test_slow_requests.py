"""Requests that come slowly, or not at all: their connections are closed, and others are served meanwhile."""

from __future__ import annotations

import json
import resource
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until

BOUND = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for nobody longer than a second, started where a process may open few files."""
    options = f"--ServeApp.slow_request_seconds={BOUND}", "--ServeApp.warm_sessions=0", "--ServeApp.workers=1"
    few_files = "sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh"
    running = server_process.start(tmp_path_factory.mktemp("slow"), *options, wrapper=few_files)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Api:
    """That server, spoken to as its administrator."""
    return Api(server)


@pytest.fixture(scope="module")
def nap(api: Api) -> str:
    """A service that sleeps for three times as long as a request may take, when it is told to."""
    code = f"import time\nif long: time.sleep({3 * BOUND})\ny = len(text)"
    inputs = [{"name": "long", "type": "logical", "default": False}, *definitions(text="character")]
    return api.publish(
        "Nap", code, inputParameterDefinitions=inputs, outputParameterDefinitions=definitions(y="integer")
    )


def _connect(server: ServerProcess) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)


def _head(api: Api, method: str, path: str, *lines: str) -> bytes:
    token = f"Authorization: Bearer {api.tokens['access_token']}"
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", token, *lines, "", ""]).encode()


def _trickle(connection: socket.socket, piece: bytes, pause: float, seconds: float = 30) -> bytes:
    """All that the server says until it closes, while a piece is sent after each pause. Fails when it doesn't close."""
    deadline = time.monotonic() + seconds
    received = b""
    while time.monotonic() < deadline:
        if select.select([connection], [], [], pause)[0]:
            try:
                data = connection.recv(65_536)
            except ConnectionResetError:
                return received
            if not data:
                return received
            received += data
            continue
        try:
            connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return received
    raise AssertionError("the connection is still open")


JSON, LENGTH, CHUNKED = "Content-Type: application/json", "Content-Length: 1000000", "Transfer-Encoding: chunked"
# What is sent at first, what then comes five times a second, and whether there is a request to answer.
SLOW = {
    "nothing": ("", [], b"", False),
    "empty lines": ("", [], b"\r\n", None),
    "a line without end": ("GET /healthz", None, b"x", True),
    "headers": ("GET /healthz HTTP/1.1\r\n", None, b"x: y\r\n", True),
    "half a head": ("GET /healthz HTTP/1.1\r\nhost: x\r\n", None, b"", True),
    "the body of a login": ("POST /login", [JSON, LENGTH], b"x", True),
    "no body": ("POST /login", [JSON, LENGTH], b"", True),
    "the body of a call": ("POST /api/Nap/V1.0", [JSON, LENGTH], b"x", True),
    "chunks": ("POST /api/Nap/V1.0", [JSON, CHUNKED], b"1\r\nx\r\n", True),
    "an upload": ("POST /sessions/{}/files", ["Content-Type: multipart/form-data; boundary=b", LENGTH], b"x", True),
}


@pytest.mark.parametrize("case", SLOW)
def test_slow_requests(server: ServerProcess, api: Api, nap: str, case: str) -> None:
    begin, lines, piece, answered = SLOW[case]
    if "{}" in begin:
        begin = begin.format(api.session())
    with _connect(server) as connection:
        began = time.monotonic()
        connection.sendall(begin.encode() if not lines else _head(api, *begin.split(" "), *lines))
        received = _trickle(connection, piece, BOUND / 5)
        assert BOUND * 0.9 <= time.monotonic() - began < BOUND + 10
    if answered is False:
        assert received == b""
    elif answered:
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body).items() >= {"code": 408, "exceptionType": "RequestTooSlow"}.items()
    assert api.consume(nap, text="abc")["outputParameters"] == {"y": 3}


def test_what_comes_after_an_early_answer_is_not_waited_for(server: ServerProcess, nap: str) -> None:
    with _connect(server) as connection:
        connection.sendall(f"POST {nap} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n".encode())
        answers = _trickle(connection, b"x", BOUND / 5)
    assert answers.startswith(b"HTTP/1.1 401 ")
    assert answers.count(b"HTTP/1.1 ") == 1, "nobody has asked for a second one"


def test_a_half_closed_connection_is_closed(server: ServerProcess) -> None:
    with _connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert _trickle(connection, b"", BOUND) == b""


def test_a_slow_answer_is_no_slow_request(api: Api, nap: str) -> None:
    assert api.consume(nap, long=True, text="ab")["outputParameters"] == {"y": 2}
    assert api.execute(api.session(), f"import time; time.sleep({2 * BOUND})")["success"]


def test_a_long_body_may_come_slowly(server: ServerProcess, api: Api, nap: str) -> None:
    """At some more than the least speed, for several times the bound."""
    body = json.dumps({"text": "x" * 4000}).encode()
    with _connect(server) as connection:
        connection.sendall(_head(api, "POST", nap, JSON, f"Content-Length: {len(body)}", "Connection: close"))
        for start in range(0, len(body), 250):
            assert not select.select([connection], [], [], BOUND / 5)[0]
            connection.sendall(body[start : start + 250])
        answer = _trickle(connection, b"", 1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["outputParameters"] == {"y": 4000}


def test_who_waits_to_be_asked_for_the_body_may_wait(server: ServerProcess, api: Api, nap: str) -> None:
    body = b'{"text": "abc"}'
    with _connect(server) as connection:
        lines = (JSON, f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
        connection.sendall(_head(api, "POST", nap, *lines))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert _trickle(connection, b"", 1).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may open as many files as it can be allowed to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


CROWDS = {
    "heads": b"POST /login HTTP/1.1\r\nhost: x\r\n",
    "bodies": b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    "idle": b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("crowd", CROWDS)
def test_more_connections_than_files(start_server: Callable[..., ServerProcess], tmp_path: Path, crowd: str) -> None:
    """One client holds all that it is let, opens anew what is closed, and nobody else notices."""
    few_files = "sh", "-c", 'ulimit -n 512; exec "$@"', "sh"
    server = start_server("--ServeApp.warm_sessions=0", "--ServeApp.workers=1", wrapper=few_files)
    api = Api(server)
    code = "import time\ntime.sleep(seconds)\ny = 1"
    inputs, outputs = definitions(seconds="numeric"), definitions(y="integer")
    path = api.publish("Here", code, inputParameterDefinitions=inputs, outputParameterDefinitions=outputs)
    answered: list[dict[str, object]] = []
    # It is owed an answer all the while.
    patient = Thread(target=lambda: answered.append(Api(server).consume(path, seconds=3)))
    with ExitStack() as connections:
        held = deque(connections.enter_context(_connect(server)) for _ in range(200))
        patient.start()
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            for _ in range(100):
                new = connections.enter_context(_connect(server))
                new.sendall(CROWDS[crowd])
                held.append(new)
            while len(held) > 1200:
                held.popleft().close()
            # On connections of its own, as somebody who comes now.
            assert requests.get(f"{server.url}/healthz", timeout=20).status_code == 200
        assert psutil.Process(server.pid).num_fds() < 400
    patient.join()
    assert answered[0]["outputParameters"] == {"y": 1}
    assert "of 512 files that the server may open" in (tmp_path / "server.log").read_text()
    assert api.consume(path, seconds=0)["outputParameters"] == {"y": 1}


@pytest.mark.usefixtures("many_files")
def test_a_thousand_of_them_keep_nobody_from_being_served(server: ServerProcess, api: Api, nap: str) -> None:
    """Half of them trickle their heads, half never say a word."""
    process = psutil.Process(server.pid)
    before = process.num_fds()
    rss = process.memory_info().rss
    with ExitStack() as connections:
        many = [connections.enter_context(_connect(server)) for _ in range(1000)]
        slowest = 0.0
        deadline = time.monotonic() + 60
        while process.num_fds() > before + 10:
            assert time.monotonic() < deadline, "they are still open"
            for connection in many[::2]:
                # Those that have been closed already don't mind.
                connection.setblocking(False)
                try:
                    connection.send(b"G")
                except OSError:
                    continue
            began = time.monotonic()
            assert api.consume(nap, text="abc")["outputParameters"] == {"y": 3}
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5
    assert process.memory_info().rss - rss < 64 * 1024**2
    wait_until(lambda: process.num_fds() <= before + 10)
