"""Connections between two requests: kept for a while, and no hindrance at the server's end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from jupyter_deployr.webnode import Settings
from tests.server_process import ServerProcess

REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


def _idle(server: ServerProcess) -> socket.socket:
    """A connection that had an answer and has said nothing since."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)
    connection.sendall(REQUEST)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    return connection


def test_it_is_kept_for_as_long_as_the_setting_says(start_server: Callable[..., ServerProcess]) -> None:
    """Also where the head of a request may take less time than that."""
    server = start_server("--ServeApp.keep_alive_seconds=3", "--ServeApp.slow_request_seconds=1")
    with _idle(server) as connection:
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 2.9 < time.monotonic() - began < 15


def test_by_default_it_outlasts_the_pauses_of_old_clients() -> None:
    """They ask for the state of an execution every five seconds."""
    assert Settings.keep_alive_seconds >= 60


def test_it_does_not_delay_the_end_of_the_server(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--ServeApp.drain_seconds=30")
    with _idle(server), _idle(server) as connection:
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < 15
        assert connection.recv(1) == b""
