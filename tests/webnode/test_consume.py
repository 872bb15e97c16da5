"""Calls of services over HTTP: inputs, outputs, and what a call leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api import Api, definitions, publish_iris
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def iris(api: Api) -> str:
    return publish_iris(api, "ConsumeIris")


@pytest.mark.parametrize(
    ("flower", "species"),
    [
        ([7, 3.2, 4.7, 1.4], "I. versicolor"),
        ([3, 2.6, 3, 2.5], "I. versicolor"),
        ([5.1, 3.5, 1.4, 0.2], "I. setosa"),
    ],
)
def test_the_whole_answer(api: Api, iris: str, flower: list[float], species: str) -> None:
    response = api.send("POST", iris, json={"flower_data": flower})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert list(response.json()) == [
        "success", "errorMessage", "consoleOutput", "changedFiles", "outputFiles", "outputParameters",
    ]  # fmt: skip
    assert response.json() == {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputFiles": {},
        "outputParameters": {"iris_species": [species]},
    }


def test_request_ids_differ(api: Api, iris: str) -> None:
    answers = [api.send("POST", iris, json={"flower_data": [7, 3.2, 4.7, 1.4]}) for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, "flower_data"),
        ({"flower_data": None}, "flower_data"),
        ({"flower_data": "text"}, "flower_data"),
        ({"flower_data": [[1, 2]]}, "flower_data"),
        ({"flower_data": [1], "other": 1}, "other"),
        ({"flower": [1]}, "flower_data, flower"),
    ],
)
def test_inputs_that_do_not_fit(api: Api, iris: str, body: dict[str, Any], fields: str) -> None:
    fault = api.error("POST", iris, 400, json=body)
    assert fault["fields"] == fields
    assert all(name in fault["message"] for name in fields.split(", "))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"flower_data": [1e}',
        b'{"flower_data":' + b"[" * 100_000, b'{"flower_data": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_bodies_that_are_no_inputs(api: Api, iris: str, body: bytes) -> None:
    api.error("POST", iris, 400, data=body)
    assert api.consume(iris, flower_data=[7, 3.2, 4.7, 1.4])["success"]


def test_a_body_that_is_too_large(start_server: Callable[..., ServerProcess]) -> None:
    api = Api(start_server("--ServeApp.max_body_bytes=1000"))
    path = api.publish("Small", "y = 1", inputParameterDefinitions=definitions(x="character"))
    assert api.consume(path, x="y" * 900)["success"]
    api.error("POST", path, 413, json={"x": "y" * 1000})
    api.error("POST", path, 413, data=iter([b'{"x": "', b"y" * 500, b"y" * 500, b'"}']))
    api.error("POST", "/services/Large/V1.0", 413, json={"code": "#" * 1000})


def test_unknown_names_and_other_methods(api: Api, iris: str) -> None:
    api.error("POST", "/api/NoSuch/V1.0", 404, json={})
    api.error("POST", "/api/NoSuch", 404, json={})
    api.error("GET", iris, 405)
    api.error("POST", iris + "/", 404, json={})


EVERY_TYPE = """
kinds = {"n": type(n).__name__, "i": type(i).__name__, "b": type(b).__name__, "t": type(t).__name__,
         "v": str(v.dtype), "m": str(m.shape), "f": list(f.columns)}
"""


def test_every_type_goes_in_and_comes_out(api: Api) -> None:
    types = {
        "n": "numeric",
        "i": "integer",
        "b": "logical",
        "t": "character",
        "v": "vector",
        "m": "matrix",
        "f": "data.frame",
    }
    path = api.publish(
        "EveryType",
        "import math" + EVERY_TYPE + "kinds = [str(kinds)]",
        inputParameterDefinitions=definitions(**types),
        outputParameterDefinitions=definitions(**types, kinds="vector"),
    )
    inputs: dict[str, Any] = {"n": 2.5, "i": 3, "b": True, "t": "é", "v": [1, 2.5], "m": [[1, 2], [3, 4]]}
    inputs["f"] = {"b": [1, 2], "a": ["x", None]}
    answer = api.consume(path, **inputs)["outputParameters"]
    kinds = answer.pop("kinds")
    assert answer == inputs
    expected = {"n": "float", "i": "int", "b": "bool", "t": "str", "v": "float64", "m": "(2, 2)", "f": ["b", "a"]}
    assert kinds == [str(expected)]


def test_nan_is_taken_and_null_is_given(api: Api) -> None:
    path = api.publish(
        "NotANumber",
        "y = v * 1.0; z = float('inf')",
        inputParameterDefinitions=definitions(v="vector"),
        outputParameterDefinitions=definitions(y="vector", z="numeric"),
    )
    response = api.send("POST", path, data='{"v": [1, NaN, -Infinity, null]}')
    answer = json.loads(response.content, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert answer["outputParameters"] == {"y": [1.0, None, None, None], "z": None}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("undefined", "NameError: name 'undefined' is not defined"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("pass", "The code did not define the output 'y'."),
        ("y = 3.7", "The output 'y' must be integer"),
        ("y = 'many'", "The output 'y' must be integer"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E: (its text can't be shown: E)"),
    ],
)
def test_code_that_fails(api: Api, code: str, message: str) -> None:
    name = f"Fails{abs(hash(code))}"
    path = api.publish(name, f"print('seen')\n{code}", outputParameterDefinitions=definitions(y="integer"))
    result = api.consume(path)
    assert result["success"] is False
    assert result["errorMessage"].startswith(message)
    assert result["outputParameters"] == {}
    assert result["consoleOutput"] == "seen\n"
    assert "Traceback" not in json.dumps(result)


def test_console_output_of_python_and_of_children(api: Api) -> None:
    path = api.publish("Prints", "import os, sys\nprint('a'); print('b', file=sys.stderr); os.system('echo c')")
    for _ in range(2):
        assert api.consume(path)["consoleOutput"] == "a\nb\nc\n"


LEFTOVERS = """
seen = [len(shared), count, sorted(config), os.path.exists("made.txt"), open("kept.txt").read(), "fresh" in globals()]
shared.append(1); nested["inner"].append(1); count += 1; config["new"] = 1; fresh = 1
grow(); open("made.txt", "w").write("x"); open("kept.txt", "w").write("changed")
"""


def test_a_call_leaves_nothing_behind(api: Api) -> None:
    session = """
import os
shared = []; nested = {"inner": shared}; count = 0; config = {"a": 1}
def grow(items=shared): items.append(len(items))
open("kept.txt", "w").write("original")
"""
    path = api.publish(
        "Leftovers",
        LEFTOVERS,
        snapshotId=api.snapshot(session),
        outputParameterDefinitions=definitions(seen="vector"),
    )
    results = [api.consume(path) for _ in range(6)]
    assert all(result["changedFiles"] == ["kept.txt", "made.txt"] for result in results)
    assert [result["outputParameters"]["seen"] for result in results] == [[0, 0, ["a"], False, "original", False]] * 6


def test_output_files_are_sent_as_base64(api: Api) -> None:
    code = "open('answer.csv', 'w').write('a,b\\n1,2\\n')"
    path = api.publish("Files", code, outputFileNames=["answer.csv", "image.png"])
    assert api.consume(path)["outputFiles"] == {"answer.csv": "YSxiCjEsMgo=", "image.png": None}


def test_init_code_runs_before_the_code(api: Api) -> None:
    path = api.publish(
        "Init", "y = base + 1", initCode="base = 41", outputParameterDefinitions=definitions(y="integer")
    )
    assert [api.consume(path)["outputParameters"] for _ in range(3)] == [{"y": 42}] * 3


def test_comprehensions_see_the_names_of_the_code(api: Api) -> None:
    code = "def f(i): return sum(x[k] for k in i)\nx = {1: 2}\ny = sum(f([1]) for _ in range(2))"
    path = api.publish("Scopes", code, outputParameterDefinitions=definitions(y="integer"))
    assert api.consume(path)["outputParameters"] == {"y": 4}


def test_a_dead_worker_costs_one_call(api: Api) -> None:
    code = "import os\nif x == 'die': os._exit(7)\nif x == 'crash': import ctypes; ctypes.string_at(0)\ny = x"
    path = api.publish(
        "Mortal",
        code,
        inputParameterDefinitions=definitions(x="character"),
        outputParameterDefinitions=definitions(y="character"),
    )
    for deadly, how in (("die", "exit code 7"), ("crash", "SIGSEGV")):
        fault = api.error("POST", path, 502, json={"x": deadly})
        assert fault["exceptionType"] == "WorkerLost"
        assert how in fault["message"]
        for _ in range(4):
            assert api.consume(path, x="alive")["outputParameters"] == {"y": "alive"}


def test_only_the_deadly_call_fails_among_many(api: Api) -> None:
    path = api.publish(
        "Crowd",
        "import os\nif x == 13: os._exit(1)\ny = x",
        inputParameterDefinitions=definitions(x="integer"),
        outputParameterDefinitions=definitions(y="integer"),
    )
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda x: api.send("POST", path, json={"x": x}), range(64)))
    assert [answer.status_code for answer in answers] == [502 if x == 13 else 200 for x in range(64)]
    assert all(answer.json()["outputParameters"] == {"y": x} for x, answer in enumerate(answers) if x != 13)


def test_a_full_queue_is_refused_at_once(start_server: Callable[..., ServerProcess]) -> None:
    api = Api(start_server("--ServeApp.max_queue=1", "--ServeApp.workers=1"))
    path = api.publish("Queue", "import time; time.sleep(0.5)")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: api.send("POST", path, json={}), range(8)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all(answer.headers["retry-after"] for answer in refused)
    assert api.consume(path)["success"]


def test_large_bodies_both_ways(api: Api) -> None:
    path = api.publish(
        "Large",
        "y = x",
        inputParameterDefinitions=definitions(x="vector"),
        outputParameterDefinitions=definitions(y="vector"),
    )
    numbers = [number / 7 for number in range(300_000)]
    assert api.consume(path, x=numbers)["outputParameters"]["y"] == numbers


def test_the_swagger_document_says_what_the_service_takes(api: Api, iris: str) -> None:
    document = api.ok("GET", f"{iris}/swagger.json")
    assert document["info"] == {"description": "", "title": "ConsumeIris", "version": "V1.0"}
    assert document["definitions"]["InputParameters"]["properties"]["flower_data"]["type"] == "array"
    assert iris in document["paths"]
