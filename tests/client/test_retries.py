"""What is sent again: a GET that found nobody, or a server that is about to be back. Nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from jupyter_deployr.client import DeployRClient, ServerUnreachable, Unavailable, models
from tests.client.conftest import Request, StubServer

HERE = b'{"statusCode": "pass"}'


def failing_first(stub: StubServer, times: int, status: int, headers: dict[str, str]) -> None:
    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        return (status, headers, b"") if len(stub.requests) <= times else (200, {}, HERE)

    stub.respond = respond


@contextmanager
def cutting(times: int) -> Iterator[tuple[str, list[bytes]]]:
    """A server that cuts the first `times` connections after their request; it answers the later ones."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    request = connection.recv(65536)
                    if request:
                        seen.append(request.split()[0])
                    if len(seen) > times:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(HERE), HERE))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("status", [502, 503])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "soon"}, {"Retry-After": formatdate()}])
def test_a_get_is_sent_until_the_server_is_back(stub: StubServer, status: int, headers: dict[str, str]) -> None:
    failing_first(stub, 2, status, headers)
    with DeployRClient(stub.url) as client:
        assert client.status().status_code == "pass"
    assert len(stub.requests) == 3


def test_the_server_says_when(stub: StubServer) -> None:
    failing_first(stub, 1, 503, {"Retry-After": "1"})
    begun = time.monotonic()
    with DeployRClient(stub.url) as client:
        client.status()
    assert time.monotonic() - begun >= 1
    assert len(stub.requests) == 2


def test_three_times_is_enough(stub: StubServer) -> None:
    body = {"message": "Later.", "code": 503, "exceptionType": "Unavailable"}
    stub.always(503, body, {"Retry-After": "0"})
    with DeployRClient(stub.url) as client, pytest.raises(Unavailable, match="Later"):
        client.status()
    assert len(stub.requests) == 3


@pytest.mark.parametrize(
    ("status", "headers"), [(503, {"Retry-After": "11"}), (500, {}), (504, {}), (429, {"Retry-After": "0"}), (404, {})]
)
def test_other_answers_are_the_last_word(stub: StubServer, status: int, headers: dict[str, str]) -> None:
    stub.always(status, {"message": "No.", "code": status, "exceptionType": ""}, headers)
    with DeployRClient(stub.url) as client, pytest.raises(Exception, match=r"^No\.$"):
        client.status()
    assert len(stub.requests) == 1


def test_a_get_is_sent_again_after_a_cut() -> None:
    with cutting(2) as (url, seen), DeployRClient(url) as client:
        assert client.status().status_code == "pass"
    assert seen == [b"GET"] * 3


def test_a_get_that_is_cut_each_time_is_told() -> None:
    with cutting(9) as (url, seen), pytest.raises(ServerUnreachable, match="No server answers"):
        DeployRClient(url).status()
    assert seen == [b"GET"] * 3


@pytest.mark.parametrize("kind", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("failure", ["cut", "503"])
def test_what_may_change_something_is_sent_once(stub: StubServer, kind: str, failure: str) -> None:
    def send(client: DeployRClient) -> Any:
        if kind == "POST":
            return client.consume("Iris", "V1.0", {"x": 1})
        if kind == "PATCH":
            return client.patch_web_service_version("Iris", "V1.0", models.PublishWebServiceRequest())
        return client.delete_web_service_version("Iris", "V1.0")

    if failure == "cut":
        with cutting(1) as (url, seen), DeployRClient(url) as client, pytest.raises(ServerUnreachable):
            send(client)
        assert seen == [kind.encode()]
        return
    stub.always(503, {"message": "Later.", "code": 503, "exceptionType": "Unavailable"}, {"Retry-After": "0"})
    with DeployRClient(stub.url) as client, pytest.raises(Unavailable):
        send(client)
    assert [request.method for request in stub.requests] == [kind]


def test_a_time_out_is_not_waited_for_thrice() -> None:
    from jupyter_deployr.client import Timeouts

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = DeployRClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeouts=Timeouts(answer=0.2))
        with client, pytest.raises(ServerUnreachable, match=r"within 0\.2 s"):
            client.status()
        listener.setblocking(False)
        listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listener.accept()
