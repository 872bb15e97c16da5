"""Hostile request bodies, row by row: refused with an Error body, and the server goes on."""

from __future__ import annotations

import gzip
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess

JSON = {"Content-Type": "application/json"}
TYPES = {"n": "numeric", "i": "integer", "b": "logical", "t": "character", "v": "vector", "m": "matrix"}


@pytest.fixture(scope="module")
def echo(api: Api) -> str:
    """A service that answers with the vector that it is given."""
    parameters = definitions(v="vector")
    return api.publish(
        "HostileEcho", "v = v", inputParameterDefinitions=parameters, outputParameterDefinitions=parameters
    )


@pytest.fixture(scope="module")
def every(api: Api) -> str:
    """A service with an optional input of each type."""
    values: dict[str, Any] = {"n": 1.5, "i": 1, "b": True, "t": "a", "v": [1], "m": [[1]]}
    inputs = [{"name": name, "type": kind, "default": values[name]} for name, kind in TYPES.items()]
    frame = {"name": "f", "type": "data.frame", "default": {"a": [1]}}
    return api.publish(
        "HostileTypes",
        "kinds = [str(f[c].dtype) for c in f]; rows = len(f)",
        inputParameterDefinitions=[*inputs, frame],
        outputParameterDefinitions=definitions(**TYPES, f="data.frame", kinds="vector", rows="integer"),
    )


@pytest.fixture(scope="module")
def targets(api: Api, echo: str) -> Iterator[dict[str, str]]:
    """Where JSON bodies are read, in each way that the server has."""
    session = api.session()
    yield {
        "consume": echo,
        "batch": f"{echo}/batch",
        "publish": "/services/Hostile/V1.0",
        "execute": f"/sessions/{session}/execute",
    }
    api.ok("DELETE", f"/sessions/{session}")


TARGETS = ["consume", "batch", "publish", "execute"]

# ------------------------------------------------------------------------------------------------ D1: size


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that takes bodies of 1,000 bytes."""
    running = server_process.start(tmp_path_factory.mktemp("small"), "--ServeApp.max_body_bytes=1000")
    yield running
    running.stop()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "path", ["/api/Large/V1.0", "/api/Large/V1.0/batch", "/services/Larger/V1.0", "/sessions", "/login"]
)
def test_a_body_over_the_limit(small: ServerProcess, path: str, chunked: bool) -> None:
    api = Api(small)
    if not api.ok("GET", "/services/Large"):
        api.publish("Large", "x = 1", inputParameterDefinitions=definitions(x="character"))
    body = json.dumps({"x": "y" * 2000}).encode()
    data: Any = iter([body[:700], body[700:1400], body[1400:]]) if chunked else body
    fault = api.error("POST", path, 413, data=data, headers=JSON)
    assert "1,000 bytes" in fault["message"]
    assert api.consume("/api/Large/V1.0", x="y")["success"]


@pytest.mark.parametrize("path", ["/api/Large/V1.0", "/services/Larger/V1.0"])
def test_an_endless_body_is_refused_while_it_is_read(small: ServerProcess, path: str) -> None:
    api = Api(small)
    before = psutil.Process(small.pid).memory_info().rss
    address = urlsplit(small.url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {api.http.headers['Authorization']!s}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    deadline = time.monotonic() + 30
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        connection.sendall(head.encode())
        while not select.select([connection], [], [], 0)[0]:
            assert time.monotonic() < deadline, f"no answer after {sent:,} bytes"
            try:
                connection.sendall(chunk)
            except ConnectionError:
                break
            sent += len(chunk)
        answer = connection.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert psutil.Process(small.pid).memory_info().rss - before < 30_000_000


# ------------------------------------------------------------------------------------------------ D2: JSON

NOT_JSON = {
    "nested arrays": b'{"v": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": b'{"v": ' * 100_000 + b"1" + b"}" * 100_000,
    "open arrays": b"[" * 100_000,
    "4,301 digits": b'{"v": [' + b"9" * 4301 + b"]}",
    "a member twice": b'{"code": "y = 1", "code": "y = 2", "v": [1]}',
    "a member twice, deep": b'{"code": "y = 1", "v": [1], "w": {"b": 1, "b": 2}}',
    "a lone surrogate": b'{"code": "y = 1", "v": ["\\ud800"]}',
    "a lone surrogate as a name": b'{"code": "y = 1", "v": [1], "\\udc00": 1}',
    "a byte order mark": b'\xef\xbb\xbf{"code": "y = 1", "v": [1]}',
    "UTF-16": '{"code": "y = 1", "v": [1]}'.encode("utf-16"),
    "UTF-16 without a mark": '{"code": "y = 1", "v": [1]}'.encode("utf-16-be"),
    "UTF-32": '{"code": "y = 1", "v": [1]}'.encode("utf-32"),
    "Latin-1": '{"code": "y = \'ü\'", "v": [1]}'.encode("latin-1"),
    "nothing": b"",
    "blank": b" \n",
    "null": b"null",
    "a string": b'"code"',
    "a number": b"1",
    "cut": b'{"code": "y = 1", "v": [1',
    "two documents": b'{"code": "y = 1", "v": [1]} {}',
    "a form": b"code=y&v=1",
    "a pickle": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
    "a fraction of 8,601 digits": b'{"code": "y = 1", "v": [0.' + b"1" * 17_200 + b"]}",
    "a million members": b"{" + b",".join(b'"k%d":1' % number for number in range(1_000_000)) + b"}",
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_bodies_that_are_no_request(api: Api, echo: str, targets: dict[str, str], target: str, body: bytes) -> None:
    if target == "batch" and body.startswith(b"{"):
        body = b"[" + body + b"]"
    fault = api.error("POST", targets[target], 400, data=body, headers=JSON)
    assert len(fault["message"]) < 5_000
    assert "Traceback" not in fault["message"]
    assert api.consume(echo, v=[1])["outputParameters"] == {"v": [1]}
    assert api.ok("GET", "/services/Hostile") == []


def test_members_are_counted_on_every_route(api: Api) -> None:
    members = ",".join(f'"k{number}":1' for number in range(100_001))
    fault = api.error("POST", "/sessions", 400, data="{" + members + "}", headers=JSON)
    assert "more than 100,000 members" in fault["message"]


def test_text_holds_what_it_likes(api: Api, echo: str) -> None:
    text = ":" * 200_000 + '":1,' * 100_001 + "7" * 20_000
    assert api.consume(echo, v=[text])["outputParameters"] == {"v": [text]}


@pytest.mark.parametrize(("method", "path"), [("POST", "/login"), ("POST", "/login/refreshToken")])
def test_who_has_not_signed_in_sends_little(api: Api, method: str, path: str) -> None:
    body = b'{"username": "' + b"x" * 70_000 + b'"}'
    answer = requests.request(method, api.url + path, data=body, headers=JSON, timeout=60)
    assert answer.status_code == 413
    assert "65,536 bytes" in answer.json()["message"]


@pytest.mark.parametrize("path", ["/sessions", "/services/Hostile/V1.0", "/api/HostileEcho/V1.0/batch"])
def test_without_a_token_no_body_is_waited_for(server: ServerProcess, path: str) -> None:
    address = urlsplit(server.url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90000000\r\n\r\n{{"
    with socket.create_connection((address.hostname or "", address.port or 0), 60) as connection:
        connection.sendall(head.encode())
        assert b" 401 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_long_body_leaves_the_others_their_turn(api: Api, server: ServerProcess, targets: dict[str, str]) -> None:
    numbers = "1," * 4_000_000 + "1"
    inputs = f'[{{"name": "x", "value": [{numbers}]}}]'
    body = f'{{"code": "y = len(x)", "inputParameters": {inputs}, "outputParameters": ["y"]}}'
    found: list[Any] = []
    asking = threading.Thread(
        target=lambda: found.append(api.send("POST", targets["execute"], data=body.encode(), headers=JSON))
    )
    other = Api(server)
    began = time.monotonic()
    asking.start()
    longest = 0.0
    while asking.is_alive():
        sent = time.monotonic()
        other.ok("GET", "/status")
        longest = max(longest, time.monotonic() - sent)
    assert found[0].json()["outputParameters"] == [{"name": "y", "value": 4_000_001}], found[0].text[:500]
    assert longest < (time.monotonic() - began) / 2


@pytest.mark.parametrize("target", ["consume", "publish", "execute"])
def test_an_array_at_the_top(api: Api, targets: dict[str, str], target: str) -> None:
    api.error("POST", targets[target], 400, data=b'[{"code": "y = 1", "v": [1]}]', headers=JSON)


def test_an_object_at_the_top_of_a_batch(api: Api, targets: dict[str, str]) -> None:
    api.error("POST", targets["batch"], 400, data=b'{"v": [1]}', headers=JSON)


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_values_of_a_session_may_be_deep(api: Api, targets: dict[str, str], depth: int) -> None:
    value = "[" * depth + "1" + "]" * depth
    body = f'{{"code": "y = 1", "inputParameters": [{{"name": "x", "value": {value}}}]}}'
    response = api.send("POST", targets["execute"], data=body, headers=JSON)
    assert response.status_code in (200, 400), response.text


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 2**53 + 1])
def test_whole_numbers_of_a_session_stay_whole(api: Api, targets: dict[str, str], value: int) -> None:
    body = {"code": "y = x", "inputParameters": [{"name": "x", "value": value}], "outputParameters": ["y"]}
    (found,) = api.ok("POST", targets["execute"], json=body)["outputParameters"]
    assert repr(found["value"]) == repr(value)


# ------------------------------------------------------------------------------------------------ D3: odd numbers

ODD = [
    ("[NaN, Infinity, -Infinity, null]", [None, None, None, None]),
    ("[1e400, -1e400]", [None, None]),
    ("[-0.0, 0]", [-0.0, 0.0]),
    ("[5e-324, 1.7976931348623157e308]", [5e-324, 1.7976931348623157e308]),
    ("[9007199254740993]", [9007199254740993]),
    ("[18446744073709551615]", [18446744073709551615]),
    ("[18446744073709551616]", [18446744073709551616.0]),
]


@pytest.mark.parametrize(("text", "expected"), ODD, ids=[row[0] for row in ODD])
def test_odd_numbers(api: Api, echo: str, text: str, expected: Any) -> None:
    response = api.send("POST", echo, data=f'{{"v": {text}}}', headers=JSON)
    answer = json.loads(response.content, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert repr(answer["outputParameters"]["v"]) == repr(expected)


# ------------------------------------------------------------------------------------------------ D4: values

WRONG = [
    ("n", "true"), ("n", '"1"'), ("n", "[1]"), ("i", "1.0"), ("i", "1e2"), ("i", '"1"'), ("i", "true"), ("i", "NaN"),
    ("i", "18446744073709551616"), ("b", "0"), ("b", '"true"'), ("t", "1"), ("t", '["a"]'), ("v", "1"), ("v", '"ab"'),
    ("v", "[[1]]"), ("v", '[{"a": 1}]'), ("v", '{"a": 1}'), ("m", "[1]"), ("m", "[[1], [1, 2]]"), ("m", "[[1], null]"),
    ("f", "[1]"), ("f", '"a"'), ("f", '{"a": 1}'), ("f", '{"a": [1], "b": [1, 2]}'), ("f", '[{"a": 1}, {"b": 1}]'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), WRONG, ids=str)
def test_wrong_values_are_named_with_their_type(api: Api, every: str, name: str, text: str) -> None:
    fault = api.error("POST", every, 400, data=f'{{"{name}": {text}}}', headers=JSON)
    assert fault["fields"] == name
    kind = {**TYPES, "f": "data.frame"}[name]
    assert fault["message"].startswith(f"{name} must be {kind}, ")


RIGHT: list[tuple[str, str, Any]] = [
    ("i", "9007199254740993", 9007199254740993),
    ("i", "-9223372036854775808", -(2**63)),
    ("n", "3", 3),
    ("t", '"2020-01-01T00:00:00Z"', "2020-01-01T00:00:00Z"),
    ("v", "[1, null]", [1.0, None]),
    ("v", '["a", 1]', ["a", 1]),
    ("v", "[]", []),
    ("m", "[]", []),
    ("f", '{"a": [1, null]}', {"a": [1.0, None]}),
    ("f", '{"a": [], "b": []}', {"a": [], "b": []}),
    ("f", '{"d": ["2020-01-01", null]}', {"d": ["2020-01-01", None]}),
]


@pytest.mark.parametrize(("name", "text", "value"), RIGHT, ids=str)
def test_right_values_come_back(api: Api, every: str, name: str, text: str, value: Any) -> None:
    answer = api.ok("POST", every, data=f'{{"{name}": {text}}}', headers=JSON)
    assert answer["success"], answer["errorMessage"]
    assert answer["outputParameters"][name] == value
    assert answer["outputParameters"]["rows"] == len(next(iter(value.values())) if name == "f" else [1])


def test_unknown_and_missing_inputs_are_named(api: Api, echo: str) -> None:
    fault = api.error("POST", echo, 400, json={"w": [1], "x": None})
    assert fault["fields"] == "v, w, x"


# ------------------------------------------------------------------------------------------------ D5: headers

NOT_READ = [
    "application/x-python-pickle",
    "application/vnd.example+pickle",
    "application/octet-stream",
    "application/x-npy",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; charset=application/json",
    "application/jsonp",
    "json",
    "/+json",
    "a/b/c+json; x",
    "application/" + "x" * 2000,
]
BODIES = {
    "consume": b'{"v": [1]}',
    "batch": b'[{"v": [1]}]',
    "publish": b'{"code": "y = 1"}',
    "execute": b'{"code": "1"}',
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", NOT_READ, ids=lambda kind: kind[:40])
def test_bodies_that_say_they_are_no_json(api: Api, targets: dict[str, str], target: str, kind: str) -> None:
    fault = api.error("POST", targets[target], 415, data=BODIES[target], headers={"Content-Type": kind})
    assert "application/json" in fault["message"]
    assert len(fault["message"]) < 300
    assert api.ok("GET", "/services/Hostile") == []


READ = [
    None,
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON ; odata=verbose",
    "text/json",
    "application/vnd.example+json; v=1",
    "application/problem+json",
]


@pytest.mark.parametrize("kind", READ, ids=str)
def test_bodies_that_are_json(api: Api, targets: dict[str, str], kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = api.ok("POST", targets["consume"], data=BODIES["consume"], headers=headers)
    assert answer["outputParameters"] == {"v": [1]}
    assert api.ok("POST", targets["execute"], data=BODIES["execute"], headers=headers)["consoleOutput"] == "1\n"
    batch = api.ok("POST", targets["batch"], 202, data=BODIES["batch"], headers=headers)
    api.ok("DELETE", f"{targets['batch']}/{batch['batchExecutionId']}")


def test_no_body_needs_no_type(api: Api) -> None:
    path = api.publish("HostileBodiless", "x = 1")
    assert api.ok("POST", path, data=b"", headers={"Content-Type": "application/x-www-form-urlencoded"})["success"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x" * 2000])
def test_compressed_bodies(api: Api, targets: dict[str, str], target: str, encoding: str) -> None:
    body = gzip.compress(BODIES[target])
    fault = api.error("POST", targets[target], 415, data=body, headers={**JSON, "Content-Encoding": encoding})
    assert "without Content-Encoding" in fault["message"]
    assert len(fault["message"]) < 300


@pytest.mark.parametrize("target", ["consume", "execute"])
def test_identity_is_no_compression(api: Api, targets: dict[str, str], target: str) -> None:
    api.ok("POST", targets[target], data=BODIES[target], headers={**JSON, "Content-Encoding": "identity"})


def test_who_may_not_call_learns_nothing_of_the_body(api: Api, echo: str) -> None:
    headers = {"Content-Type": "application/x-python-pickle", "Authorization": "Bearer x"}
    api.error("POST", echo, 401, data=b"{}", headers=headers)


def test_every_route_with_a_json_body_reads_it_strictly() -> None:
    """A route of another class would read UTF-16, members that are there twice, and half surrogate pairs."""
    from fastapi.routing import APIRoute

    from jupyter_deployr.webnode import routes
    from jupyter_deployr.webnode.json_bodies import JsonRoute

    found = [
        route
        for family in routes.__all__
        for route in getattr(routes, family).router.routes
        if isinstance(route, APIRoute) and route.body_field is not None
    ]
    assert len(found) > 5
    assert [route.path for route in found if not isinstance(route, JsonRoute)] == []
