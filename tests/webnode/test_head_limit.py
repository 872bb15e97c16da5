"""Requests whose heads don't end: refused while they are read, with the memory of the server flat."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import pytest

from tests.api import Api
from tests.server_process import ServerProcess

PIECE = b"x" * 65_536


@pytest.fixture
def connection(server: ServerProcess) -> Iterator[socket.socket]:
    """A connection to the shared server."""
    parts = urlsplit(server.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30) as made:
        yield made


def _answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    while True:
        try:
            data = connection.recv(65_536)
        except ConnectionResetError:
            return received
        if not data:
            return received
        received += data


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (b"GET /", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ", b""),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"\r\nx: "),
    ],
    ids=["line", "one header", "many headers"],
)
def test_a_head_without_end(server: ServerProcess, connection: socket.socket, begin: bytes, line: bytes) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    connection.sendall(begin)
    sent = 0
    try:
        while sent < 64 * 1024**2:
            sent += connection.send(line + PIECE[len(line) :])
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert process.memory_info().rss - before < 32 * 1024**2
    assert _answer(connection)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")


def test_the_answer_can_be_read(server: ServerProcess, connection: socket.socket, api: Api) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + PIECE * 4)
    answer = _answer(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"exceptionType":"HeadTooLarge"' in answer
    api.ok("GET", "/healthz")


def test_trailers_without_end(connection: socket.socket) -> None:
    connection.sendall(
        b"POST /login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: " + PIECE * 16
    )
    assert _answer(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"no HTTP at all\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n",
        b"FOO / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["line", "length", "chunk", "method", "negative length", "two lengths", "no URL"],
)
def test_what_is_no_http_has_an_error_body(connection: socket.socket, sent: bytes) -> None:
    connection.sendall(sent)
    head, _, body = _answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body).items() >= {"code": 400, "exceptionType": "BadRequest"}.items()
    assert b"\r\nx-request-id: " in head


@pytest.mark.parametrize("length", [65_535, 65_536, 100_000])
def test_a_long_url(connection: socket.socket, length: int) -> None:
    connection.sendall(b"GET /" + b"x" * length + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    head, _, body = _answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nx-request-id: " in head
    assert json.loads(body).items() >= {"code": 431, "exceptionType": "HeadTooLarge"}.items()


def test_what_is_no_http_and_too_long_has_one_answer(connection: socket.socket) -> None:
    connection.sendall(b"no HTTP " + PIECE * 2)
    assert _answer(connection).count(b"HTTP/1.1 ") == 1


def test_requests_one_after_the_other_are_measured_one_by_one(connection: socket.socket) -> None:
    for _ in range(3):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 60_000 + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    body = b'{"username": "' + b"x" * 1_000_000 + b'"}'
    for _ in range(2):
        head = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
