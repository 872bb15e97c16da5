"""Redirects: followed within the server with the token; another host gets neither token, nor data, nor visit."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest

from jupyter_deployr.client import DeployRClient, UnexpectedResponse, models
from tests.client.conftest import Request, StubServer


def redirecting(stub: StubServer, status: int, location: str, document: bytes = b'{"statusCode": "pass"}') -> None:
    """Every path redirects to `location`, except one that has /moved in it."""

    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, document) if "/moved" in request.path else (status, {"Location": location}, b"")

    stub.respond = respond


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/moved/status?a=1", "{url}/moved/status?a=1"])
def test_within_the_server_a_get_goes_on_with_its_token(stub: StubServer, status: int, location: str) -> None:
    redirecting(stub, status, location.format(url=stub.url))
    with DeployRClient(stub.url) as client:
        assert client.status({"Authorization": "Bearer secret"}).status_code == "pass"
    assert [request.path for request in stub.requests] == ["/status", "/moved/status?a=1"]
    assert stub.requests[1].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [307, 308])
def test_within_the_server_a_body_goes_on_where_the_method_stays(stub: StubServer, status: int) -> None:
    redirecting(stub, status, "/moved", b'{"success": true}')
    with DeployRClient(stub.url) as client:
        assert client.consume("Iris", "V1.0", {"x": 1}).success
        opened = io.BytesIO(b"skipped, sent")
        opened.seek(9)
        client.set_workspace_object("id", "x", opened)
    assert [request.method for request in stub.requests] == ["POST"] * 4
    assert [request.body for request in stub.requests] == [b'{"x":1}'] * 2 + [b"sent"] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_does_not_become_a_get(stub: StubServer, status: int) -> None:
    redirecting(stub, status, "/moved")
    with (
        DeployRClient(stub.url) as client,
        pytest.raises(UnexpectedResponse, match=f"a POST with the redirect {status} .* not followed: .* become a GET"),
    ):
        client.consume("Iris", "V1.0", {"x": 1})
    assert [request.path for request in stub.requests] == ["/api/Iris/V1.0"]


def test_a_circle_ends(stub: StubServer) -> None:
    redirecting(stub, 302, "/status")
    with (
        DeployRClient(stub.url) as client,
        pytest.raises(UnexpectedResponse, match=r"within itself more than 5 times in a row, which is not followed any"),
    ):
        client.status()
    assert len(stub.requests) == 6


@pytest.mark.parametrize("status", [307, 308])
def test_so_does_one_of_posts(stub: StubServer, status: int) -> None:
    redirecting(stub, status, "/api/Iris/V1.0")
    with (
        DeployRClient(stub.url) as client,
        pytest.raises(UnexpectedResponse, match="redirects a POST within itself, which is not followed: too often"),
    ):
        client.consume("Iris", "V1.0", {"x": 1})
    assert len(stub.requests) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/status",
        "//127.0.0.1:{port}/status",
        "https://127.0.0.1:{port}/status",
        "http://somebody@127.0.0.1:{port}/status",
        "http://localhost:{port}/status",
    ],
)
def test_another_host_gets_nothing(stub: StubServer, status: int, location: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        port = elsewhere.getsockname()[1]
        stub.always(status, b"", {"Location": location.format(port=port)})
        for attempt in attempts(DeployRClient(stub.url)):
            with pytest.raises(UnexpectedResponse, match=f"redirects to [a-z0-9.]+:{port}, which is not followed"):
                attempt()
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def attempts(client: DeployRClient) -> list[Any]:
    """Requests with something that no other host may have: a token, a password, data."""
    secret = {"Authorization": "Bearer secret"}
    return [
        lambda: client.status(secret),
        lambda: client.login(models.LoginRequest("admin", "secret")),
        lambda: client.consume("Iris", "V1.0", {"x": 1}, secret),
        lambda: client.get_session_file("id", "a", io.BytesIO(), secret),
    ]


@pytest.mark.parametrize(
    ("base", "location", "followed"),
    [
        ("http://deployr.example", "https://deployr.example/status", True),
        ("http://deployr.example:80", "https://deployr.example:443/status", True),
        ("https://deployr.example", "http://deployr.example/status", False),
        ("http://deployr.example:12800", "https://deployr.example/status", False),
        ("http://deployr.example", "https://deployr.example.org/status", False),
        ("http://deployr.example", "http://other.example/status", False),
        ("http://deployr.example", "file:///etc/passwd", False),
        ("http://deployr.example", "http://[broken/", False),
        ("http://deployr.example", "http://deployr.example:99999/", False),
    ],
)
def test_which_addresses_are_of_the_same_server(base: str, location: str, followed: bool) -> None:
    import requests

    from jupyter_deployr.client import redirects

    response = requests.Response()
    response.status_code, response.url = 302, f"{base}/status"
    response.headers["Location"] = location
    target = redirects.target_within(base, "GET", response)
    assert target == (location if followed else None)
    assert isinstance(redirects.host_of(response), str)
