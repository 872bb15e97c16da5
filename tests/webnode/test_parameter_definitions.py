"""Definitions of parameters over HTTP: published, shown, patched, and kept to before code runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV31SpecValidator

from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.webnode.batch_api import complete, start

Document = dict[str, Any]

INPUTS: list[Document] = [
    {"name": "n", "type": "integer", "description": "How many", "minimum": 1, "maximum": 10, "example": 4},
    {"name": "colour", "type": "character", "default": "red", "enum": ["red", "green"]},
    {"name": "v", "type": "vector", "default": [0.5, 1], "maximum": 1},
    {"name": "m", "type": "matrix", "default": [[True]]},
    {"name": "f", "type": "data.frame", "description": "Rows", "default": {"a": [1, None]}, "example": {"a": [2]}},
    {"name": "l", "type": "logical", "default": False},
    {"name": "x", "type": "numeric"},
]
OUTPUTS: list[Document] = [{"name": "seen", "type": "vector", "description": "What came", "example": [1]}]
CODE = "seen = [n, colour, v.tolist(), m.tolist(), f.to_dict('list'), l, x]; v[0] = 0; f['a'] = 0; m[0, 0] = False"


@pytest.fixture(scope="module")
def limited(api: Api) -> str:
    return api.publish("Limited", CODE, inputParameterDefinitions=INPUTS, outputParameterDefinitions=OUTPUTS)


def _metadata(api: Api, name: str) -> Document:
    (service,) = api.ok("GET", f"/services/{name}/V1.0")
    return dict(service)


def test_definitions_are_shown_as_they_were_published(api: Api, limited: str) -> None:
    service = _metadata(api, "Limited")
    assert service["inputParameterDefinitions"] == INPUTS
    assert service["outputParameterDefinitions"] == OUTPUTS


def test_the_swagger_document(api: Api, limited: str) -> None:
    document = api.ok("GET", f"{limited}/swagger.json")
    OpenAPIV2SpecValidator.schema_validator.validate(document)
    assert document["definitions"]["InputParameters"] == {
        "type": "object",
        "properties": {
            "n": {
                "type": "integer",
                "description": "integer",
                "x-description": "How many",
                "minimum": 1,
                "maximum": 10,
                "example": 4,
            },
            "colour": {"type": "string", "description": "character", "default": "red", "enum": ["red", "green"]},
            "v": {
                "type": "array",
                "items": {"type": "number", "maximum": 1},
                "description": "vector",
                "default": [0.5, 1],
            },
            "m": {
                "type": "array",
                "items": {"type": "array", "items": {}},
                "description": "matrix",
                "default": [[True]],
            },
            "f": {
                "type": "object",
                "description": "data.frame",
                "x-description": "Rows",
                "default": {"a": [1, None]},
                "example": {"a": [2]},
            },
            "l": {"type": "boolean", "description": "logical", "default": False},
            "x": {"type": "number", "description": "numeric"},
        },
    }
    assert document["definitions"]["OutputParameters"]["properties"] == {
        "seen": {"type": "array", "items": {}, "description": "vector", "x-description": "What came", "example": [1]}
    }


def test_the_openapi_document(api: Api, limited: str) -> None:
    document = api.ok("GET", f"{limited}/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    schema = document["components"]["schemas"]["InputParameters"]
    assert schema["required"] == ["n", "x"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["n"] == {
        "type": "integer",
        "description": "How many",
        "minimum": 1,
        "maximum": 10,
        "examples": [4],
    }
    assert schema["properties"]["colour"]["enum"] == ["red", "green"]
    assert schema["properties"]["f"]["default"] == {"a": [1, None]}


DEFAULTS = ["red", [0.5, 1.0], [[True]], {"a": [1.0, None]}, False]


def test_defaults_are_anew_for_each_call(api: Api, limited: str) -> None:
    for _ in range(4):
        assert api.consume(limited, n=1, x=2.5)["outputParameters"]["seen"] == [1, *DEFAULTS, 2.5]
    assert api.consume(limited, n=1, x=0, colour=None, l=True)["outputParameters"]["seen"][5] is True


def test_all_faults_of_a_call_in_one_answer(api: Api, limited: str) -> None:
    body = {"n": 11, "colour": "blue", "v": [2], "m": [1], "f": {"a": 1}, "l": "no", "other": 1}
    fault = api.error("POST", limited, 400, json=body)
    assert fault["fields"] == "n, colour, v, m, f, l, x, other"
    assert fault["exceptionType"] == "InvalidInputs"
    for text in (
        "n must be integer, a whole number from 1 to 10, not the number 11",
        'one of "red", "green", not the string \'blue\'',
        "numbers of at most 1",
        "x is missing: expected numeric, a number",
    ):
        assert text in fault["message"]


def test_no_code_runs_on_faulty_inputs(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    api = Api(start_server("--ServeApp.workers=1"))
    for isolation in ("namespace", "reload", "process"):
        ran = tmp_path / isolation
        path = api.publish(
            isolation,
            "open(name, 'a').write('c')",
            initCode=f"name = {str(ran)!r}; open(name, 'a').write('i')",
            isolation=isolation,
            inputParameterDefinitions=[{"name": "x", "type": "integer", "minimum": 1}],
        )
        before = ran.read_text()
        api.error("POST", path, 400, json={"x": 0})
        assert ran.read_text() == before
        assert api.consume(path, x=1)["success"]
        assert ran.read_text() == before + ("c" if isolation == "namespace" else "ic")


@pytest.mark.parametrize("isolation", ["reload", "process"])
def test_limits_hold_in_every_isolation(api: Api, isolation: str) -> None:
    path = api.publish(
        f"Limited-{isolation}",
        "y = x",
        isolation=isolation,
        inputParameterDefinitions=[{"name": "x", "type": "integer", "maximum": 5, "default": 2}],
        outputParameterDefinitions=definitions(y="integer"),
    )
    assert api.consume(path)["outputParameters"] == {"y": 2}
    assert api.error("POST", path, 400, json={"x": 6})["fields"] == "x"


def test_batches_keep_to_the_limits(api: Api, limited: str) -> None:
    execution = start(api, limited, [{"n": 1, "x": 1}, {"n": 11, "x": 1}, {"n": 2, "x": 1, "colour": "green"}])
    results = complete(api, execution)
    assert [result["success"] for result in results] == [True, False, True]
    assert "from 1 to 10, not the number 11" in results[1]["errorMessage"]
    assert results[2]["outputParameters"]["seen"][1] == "green"


FAULTY: list[tuple[Document, str, str]] = [
    ({"name": "x", "type": "integer", "minimum": 2, "maximum": 1}, "x.minimum", "2 is above the maximum, 1"),
    ({"name": "x", "type": "integer", "enum": []}, "x.enum", "must not be empty"),
    ({"name": "x", "type": "character", "maximum": 1}, "x.maximum", "character has none"),
    ({"name": "x", "type": "vector", "default": "abc"}, "x.default", "a flat array"),
    ({"name": "x", "type": "data.frame", "example": {"a": [1], "b": []}}, "x.example", "different lengths"),
    ({"name": "x", "type": "vector", "enum": "abc"}, "0.enum", "list"),
    ({"name": "x", "type": "vector", "description": 5}, "0.description", "string"),
    ({"name": "x", "type": "vector", "description": "d" * 70_000}, "inputParameterDefinitions", "65,536"),
    ({"name": "x", "type": "numeric", "minimum": "1"}, "x.minimum", "must be a number, not the string '1'"),
]


@pytest.mark.parametrize(("definition", "field", "text"), FAULTY, ids=lambda each: str(each)[:60])
def test_faulty_definitions_are_refused(api: Api, definition: Document, field: str, text: str) -> None:
    body = {"code": "y = 1", "inputParameterDefinitions": [definition]}
    fault = api.error("POST", "/services/FaultyDefinitions/V1.0", 400, json=body)
    assert fault["fields"].endswith(field)
    assert text in fault["message"]
    assert api.ok("GET", "/services/FaultyDefinitions") == []


@pytest.mark.parametrize("token", ["NaN", "Infinity", "1e999", "9" * 400])
def test_definitions_hold_json_only(api: Api, token: str) -> None:
    definition = '{"name": "x", "type": "numeric", "default": ' + token + "}"
    body = f'{{"code": "y = 1", "inputParameterDefinitions": [{definition}]}}'
    fault = api.error(
        "POST", "/services/FaultyDefinitions/V1.0", 400, data=body, headers={"Content-Type": "application/json"}
    )
    assert fault["fields"] == "inputParameterDefinitions.x.default"


def test_a_patch_keeps_or_sets_definitions(api: Api) -> None:
    inputs = [{"name": "x", "type": "integer", "default": 3, "minimum": 0}]
    path = api.publish(
        "Repatched", "y = x", inputParameterDefinitions=inputs, outputParameterDefinitions=definitions(y="integer")
    )
    api.ok("PATCH", "/services/Repatched/V1.0", json={"description": "new"})
    assert _metadata(api, "Repatched")["inputParameterDefinitions"] == inputs
    assert api.consume(path)["outputParameters"] == {"y": 3}
    fault = api.error(
        "PATCH", "/services/Repatched/V1.0", 400, json={"inputParameterDefinitions": [{**inputs[0], "default": -1}]}
    )
    assert fault["fields"] == "inputParameterDefinitions.x.default"
    assert api.consume(path)["outputParameters"] == {"y": 3}
    api.ok("PATCH", "/services/Repatched/V1.0", json={"inputParameterDefinitions": [{**inputs[0], "default": 4}]})
    assert api.consume(path)["outputParameters"] == {"y": 4}
    assert api.ok("GET", f"{path}/swagger.json")["definitions"]["InputParameters"]["properties"]["x"]["default"] == 4
    # As an old client patches, which knows of name and type only.
    api.ok("PATCH", "/services/Repatched/V1.0", json={"inputParameterDefinitions": definitions(x="integer")})
    assert _metadata(api, "Repatched")["inputParameterDefinitions"] == definitions(x="integer")
    api.error("POST", path, 400, json={})
    assert api.consume(path, x=-1)["outputParameters"] == {"y": -1}


def test_a_new_description_leaves_the_workers_alone(start_server: Callable[..., ServerProcess]) -> None:
    api = Api(start_server("--ServeApp.workers=1"))
    definition = {"name": "x", "type": "integer", "default": 1, "maximum": 5}
    path = api.publish(
        "Steady",
        "import os; pid = os.getpid()",
        inputParameterDefinitions=[definition],
        outputParameterDefinitions=definitions(pid="integer"),
    )

    def patched(**members: Any) -> Any:
        body = {"inputParameterDefinitions": [{**definition, **members}]}
        api.ok("PATCH", "/services/Steady/V1.0", json=body)
        return api.consume(path)["outputParameters"]["pid"]

    first = api.consume(path)["outputParameters"]["pid"]
    assert patched(description="new", example=3) == first
    assert _metadata(api, "Steady")["inputParameterDefinitions"][0]["description"] == "new"
    second = patched(maximum=6)
    assert second != first
    assert patched(maximum=6, description="newer") == second


def test_definitions_outlive_the_server(start_server: Callable[..., ServerProcess]) -> None:
    first = start_server()
    api = Api(first)
    path = api.publish("Kept", CODE, inputParameterDefinitions=INPUTS, outputParameterDefinitions=OUTPUTS)
    first.stop()
    api = Api(start_server())
    assert _metadata(api, "Kept")["inputParameterDefinitions"] == INPUTS
    assert api.consume(path, n=1, x=1)["outputParameters"]["seen"] == [1, *DEFAULTS, 1]
    api.error("POST", path, 400, json={"n": 0, "x": 1})
