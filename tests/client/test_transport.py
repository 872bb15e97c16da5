from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_deployr.client import (
    BadRequest,
    Conflict,
    DeployRClient,
    InvalidInputs,
    ServerFault,
    ServerUnreachable,
    TimedOut,
    Timeouts,
    Unauthorized,
    UnexpectedResponse,
    WorkerLost,
    connect,
    models,
)


def error(kind: str, message: str, code: int, fields: str = "") -> dict[str, Any]:
    return {"message": message, "code": code, "link": "", "exceptionType": kind, "fields": fields}


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (409, error("Conflict", "Iris V1.0 exists.", 409), Conflict, "Iris V1.0 exists."),
        (400, error("InvalidInputs", "x is missing.", 400, "x, y"), InvalidInputs, "x is missing."),
        (402, error("", "No.", 402), ServerFault, "No."),
        (502, b"<html>Bad gateway</html>", ServerUnreachable, "A gateway answers in place of .* with status 502: "),
        (503, b"", ServerUnreachable, "A gateway answers in place of .* with status 503: "),
        (504, {"message": "The upstream server is timing out"}, ServerUnreachable, "A gateway answers .* status 504: "),
        (502, error("WorkerLost", "The worker ended.", 502), WorkerLost, "The worker ended"),
        (504, error("TimedOut", "Too slow.", 504), TimedOut, "Too slow"),
        (500, b"", UnexpectedResponse, "status 500"),
        (500, ["a list"], UnexpectedResponse, "status 500"),
        (302, b"", UnexpectedResponse, "redirects to 127.0.0.1:9, which is not followed"),
        (200, b"<html>Welcome</html>", UnexpectedResponse, "not JSON"),
        (200, {"statusCode": ["pass"]}, UnexpectedResponse, "statusCode"),
        (200, b"", UnexpectedResponse, "not what this operation answers"),
        (200, "pass", UnexpectedResponse, "not what this operation answers"),
    ],
)
def test_each_unwelcome_answer_is_an_error_of_its_kind(
    stub: Any, status: int, body: Any, kind: type[Exception], message: str
) -> None:
    stub.always(status, body, {"X-Request-Id": "r-1", "Location": "http://127.0.0.1:9/elsewhere"})
    with DeployRClient(stub.url) as client, pytest.raises(kind, match=message) as raised:
        client.status()
    assert type(raised.value) is kind
    if status != 200 or body == b"<html>Welcome</html>":
        assert raised.value.request_id == "r-1"  # type: ignore[attr-defined]
    assert len(stub.requests) == (3 if status in (502, 503) else 1)
    assert status not in (502, 503, 504) or "DeployR server?" not in str(raised.value)


def test_fields_at_fault_are_told(stub: Any) -> None:
    stub.always(400, error("InvalidInputs", "x and y are missing.", 400, "x, y"))
    with DeployRClient(stub.url) as client, pytest.raises(InvalidInputs) as raised:
        client.consume("Iris", "V1.0", {})
    assert raised.value.fields == ("x", "y")


def test_no_server_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with DeployRClient(f"http://127.0.0.1:{port}") as client, pytest.raises(ServerUnreachable) as raised:
        client.status()
    assert str(raised.value) == (
        f"No server answers at http://127.0.0.1:{port} (Connection refused). "
        "Start one with `jupyter deployr serve`, or correct the address."
    )


def test_a_silent_server_ends_in_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = DeployRClient(url, timeouts=Timeouts(answer=0.2))
        with client, pytest.raises(ServerUnreachable, match=r"gave no answer within 0\.2 s"):
            client.status()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{", "The answer of http://.* broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "The answer of http://.* broke off"),
        (b"", "The connection to http://.* broke off before an answer came"),
    ],
    ids=["within a chunk", "within its length", "before it began"],
)
def test_what_was_sent_and_not_answered_may_have_been_done(answer: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            DeployRClient(f"http://127.0.0.1:{listener.getsockname()[1]}") as client,
            pytest.raises(ServerUnreachable, match=f"{said}.*The request was sent and may have been carried out"),
        ):
            client.login(models.LoginRequest("admin", "secret"))
        thread.join()


@pytest.mark.parametrize("token", ["é日", "日", "two\nlines", b"bytes"])
def test_what_can_be_no_token_is_told_without_repeating_it(stub: Any, token: Any) -> None:
    with pytest.raises(Unauthorized, match="An access token is text of ASCII characters") as raised:
        connect(stub.url, token=token)
    assert str(token) not in str(raised.value)
    with DeployRClient(stub.url) as client, pytest.raises(BadRequest, match="A header of the request") as refused:
        client.status({"Authorization": "Bearer 日"})
    assert refused.value.__context__ is None
    assert stub.requests == []


@pytest.mark.parametrize("name", [5, None, 1.5, b"Iris"])
def test_names_that_are_no_text_are_refused(stub: Any, name: Any) -> None:
    with DeployRClient(stub.url) as client:
        for attempt in (lambda: client.service(name), lambda: client.consume("Iris", name, {})):
            with pytest.raises(BadRequest, match="it is no text"):
                attempt()
    assert stub.requests == []


def test_executions_have_a_time_out_of_their_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = DeployRClient(url, timeouts=Timeouts(execution=0.2))
        with client, pytest.raises(ServerUnreachable, match=r"within 0\.2 s"):
            client.execute_code("id", models.ExecuteRequest("1"))


def test_plain_http_on_a_tls_address_is_told(stub: Any) -> None:
    client = DeployRClient(stub.url.replace("http", "https"))
    with client, pytest.raises(ServerUnreachable, match="No secure connection"):
        client.status()


@pytest.mark.parametrize(
    "url", ["localhost:12800", "ftp://host", "http://", "http://host:port", "http://host:99999", "file:///etc", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="looks like http://host:12800"):
        DeployRClient(url)


@pytest.mark.parametrize("url", ["http://admin:secret@host", "http://secret@host", "http://host/?key=secret"])
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="of host must not carry") as raised:
        DeployRClient(url)
    assert "secret" not in str(raised.value)


def test_names_are_percent_encoded(stub: Any) -> None:
    stub.always(200, {"success": True})
    with DeployRClient(stub.url + "/base/") as client:
        client.consume("Démo svc/1", "100%?#", {})
    assert stub.requests[0].path == "/base/api/D%C3%A9mo%20svc%2F1/100%25%3F%23"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_a_path_swallows_are_refused(stub: Any, name: str) -> None:
    with DeployRClient(stub.url) as client:
        with pytest.raises(BadRequest, match="can't be a name"):
            client.delete_web_service_version("Iris", name)
        with pytest.raises(BadRequest, match="can't be a name"):
            client.delete_snapshot(name)
    assert stub.requests == []


def test_netrc_does_not_replace_the_token(stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    stub.always(200, {"statusCode": "pass"})
    with DeployRClient(stub.url) as client:
        client.status({"Authorization": "Bearer mine"})
    assert stub.requests[0].headers["Authorization"] == "Bearer mine"


def test_a_proxy_is_not_asked_for_this_machine_but_for_others(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.always(200, {"statusCode": "pass"})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead_port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port}")
    with DeployRClient(stub.url) as client:
        assert client.status().status_code == "pass"
    monkeypatch.setenv("http_proxy", stub.url)
    with DeployRClient("http://deployr.example:12800") as client:
        assert client.status().status_code == "pass"
    assert stub.requests[-1].path == "http://deployr.example:12800/status"


def test_a_value_without_json_form_is_named_before_anything_is_sent(stub: Any) -> None:
    with DeployRClient(stub.url) as client:
        with pytest.raises(InvalidInputs, match="lock: a value of type lock") as raised:
            client.consume("Iris", "V1.0", {"fine": 1, "lock": threading.Lock()})
        assert raised.value.fields == ("lock",)
        with pytest.raises(BadRequest, match="a value of type object has no JSON form"):
            client.execute_code("id", models.ExecuteRequest("1", [models.WorkspaceObject("x", object())]))
    assert stub.requests == []
