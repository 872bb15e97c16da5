"""Members of a publish request that the server doesn't know: refused where they mean something, else named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api import Api, definitions

NOTES = "x-deployr-notes"
PATHS = {"POST": "/services/Refusing/V2.0", "PATCH": "/services/Refusing/V1.0"}


@pytest.fixture(scope="module", autouse=True)
def before(api: Api) -> Any:
    """A version that no request here changes."""
    api.publish("Refusing", "x = 1", inputParameterDefinitions=definitions(x="numeric"))
    return api.ok("GET", "/services/Refusing")


@pytest.mark.parametrize("method", PATHS)
@pytest.mark.parametrize(
    ("members", "fields", "text"),
    [
        ({"vectorized": True, "timeout": 3}, "vectorized, timeout", "vectorized is not supported by this server yet"),
        ({"limits": {"memory": 1}}, "limits", "limits is not supported"),
        ({"sample": {}, "timeout": 1}, "timeout", "timeout is not supported"),
        (
            {"inputParameterDefinitions": [{"name": "x", "type": "numeric", "minimun": 1}]},
            "inputParameterDefinitions.x.minimun",
            "did you mean minimum?",
        ),
        (
            {"outputParameterDefinitions": [*definitions(y="vector"), {"type": "numeric", "zzz": None}]},
            "outputParameterDefinitions.1.zzz",
            "the member 'zzz' is unknown.",
        ),
    ],
    ids=str,
)
def test_members_that_are_refused(
    api: Api, before: Any, method: str, members: dict[str, Any], fields: str, text: str
) -> None:
    fault = api.error(method, PATHS[method], 400, json={"code": "x = 1", **members})
    assert fault["fields"] == fields
    assert text in fault["message"]
    assert api.ok("GET", "/services/Refusing") == before


@pytest.mark.parametrize(
    ("members", "notes"),
    [
        ({}, None),
        ({"vectorized": False, "timeout": None, "limits": {}, "sample": 0}, None),
        ({"output_file_names": ["a.txt"]}, None),
        (
            {"kode": 1, "größe\r\n": 2},
            [
                "The member 'kode' is unknown (did you mean code?); it was ignored.",
                "The member 'größe\\r\\n' is unknown; it was ignored.",
            ],
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_members_that_are_ignored_are_named(api: Api, method: str, members: dict[str, Any], notes: Any) -> None:
    name = f"Ignoring{method}{len(str(members))}"
    if method == "PATCH":
        api.publish(name, "x = 1")
    answer = api.send(method, f"/services/{name}/V1.0", json={"code": "x = 1", **members})
    assert answer.status_code in (200, 201), answer.text
    assert (json.loads(answer.headers[NOTES]) if NOTES in answer.headers else None) == notes


def test_of_many_ignored_members_some_are_named(api: Api) -> None:
    answer = api.send(
        "POST", "/services/ManyIgnored/V1.0", json={"code": "x = 1", **dict.fromkeys(map(str, range(99)))}
    )
    notes = json.loads(answer.headers[NOTES])
    assert len(notes) == 21
    assert notes[-1] == "79 more members are unknown and were ignored."
