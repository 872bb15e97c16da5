from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jupyter_deployr.client import DeployRClient, models
from tests.client.rendezvous import Rendezvous, arranged


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class StubServer:
    """Answers every request as `respond` says: (status, headers, body). For what a real server never says."""

    url: str
    respond: Callable[[Request], tuple[int, dict[str, str], bytes]]
    requests: list[Request] = field(default_factory=list)

    def always(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.respond = lambda request: (status, headers or {}, data)


@pytest.fixture
def stub() -> Iterator[StubServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers), body)
            known.requests.append(request)
            status, headers, data = known.respond(request)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    known = StubServer(f"http://127.0.0.1:{listening.server_port}", lambda request: (404, {}, b""))
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield known
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def client(server: Any) -> Iterator[DeployRClient]:
    """Signed in as admin."""
    with DeployRClient(server.url) as client:
        client.login(models.LoginRequest("admin", server.password))
        yield client


@pytest.fixture
def session_id(client: DeployRClient) -> Iterator[str]:
    session_id = client.create_session(models.CreateSessionRequest("of a test", runtime_type="Python")).session_id
    assert session_id
    yield session_id
    if session_id in [session.id for session in client.list_sessions()]:
        client.close_session_by_force(session_id)


@pytest.fixture
def rendezvous() -> Iterator[Rendezvous]:
    with arranged() as rendezvous:
        yield rendezvous


@pytest.fixture
def press_ctrl_c() -> Iterator[Callable[[], None]]:
    """Interrupts the test, also where the test run was started with its interrupts off, as in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    signal.signal(signal.SIGINT, before)
