"""What a published definition may say, and how its faults are told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jupyter_deployr.protocol.definitions import MAX_DETAIL_BYTES, checked_parameters
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import ParameterDefinition
from jupyter_deployr.protocol.parameters import TYPES, Parameter


def define(kind: str, **details: Any) -> ParameterDefinition:
    return ParameterDefinition("x", kind, **details)


RIGHT: list[tuple[str, dict[str, Any]]] = [
    *((kind, {"description": "what it is"}) for kind in TYPES),
    ("numeric", {"minimum": -1.5, "maximum": 2, "default": 0, "example": 1.5}),
    ("numeric", {"minimum": 1, "maximum": 1, "enum": [1]}),
    ("numeric", {"default": 2**64}),
    ("integer", {"enum": [1, 2, 3], "default": 3, "example": 1}),
    ("integer", {"minimum": -(2**63), "maximum": 2**64 - 1}),
    ("logical", {"enum": [True], "default": True}),
    ("logical", {"default": False}),
    ("character", {"enum": ["", "a"], "default": "", "example": "a"}),
    ("vector", {"default": [1, None, "a", True]}),
    ("vector", {"default": []}),
    ("vector", {"minimum": 0, "maximum": 1, "default": [0, 0.5], "example": []}),
    ("vector", {"enum": ["a", 1, True], "default": ["a", 1.0, True]}),
    ("matrix", {"default": [[1, 2], [3, 4]], "maximum": 4}),
    ("matrix", {"default": []}),
    ("data.frame", {"default": {"a": [1, None], "b": ["x", "y"]}, "example": [{"a": 1}]}),
]


@pytest.mark.parametrize(("kind", "details"), RIGHT, ids=str)
def test_what_a_definition_may_say(kind: str, details: dict[str, Any]) -> None:
    inputs, outputs = checked_parameters([define(kind, **details)], None)
    kept = {**details, **({"enum": tuple(details["enum"])} if "enum" in details else {})}
    if kept.get("default") == 2**64:
        kept["default"] = float(2**64)  # as a call's body is read
    assert inputs == (Parameter("x", kind, **kept),)
    assert outputs is None


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("integer", {"minimum": 5, "maximum": 1}, "minimum", "5 is above the maximum, 1"),
    ("integer", {"minimum": 0.5}, "minimum", "must be a whole number, not the number 0.5"),
    ("integer", {"maximum": 2**64}, "maximum", "must be a whole number, not the number 1.8"),
    ("numeric", {"minimum": True}, "minimum", "must be a number, not true"),
    ("numeric", {"maximum": "9"}, "maximum", "must be a number, not the string '9'"),
    ("numeric", {"maximum": [9]}, "maximum", "must be a number, not an array"),
    ("numeric", {"maximum": math.inf}, "maximum", "must not hold NaN or an infinity"),
    ("numeric", {"maximum": 10**400}, "maximum", "can't be sent as JSON"),
    ("character", {"minimum": 1}, "minimum", "only numeric, integer, vector, matrix have"),
    ("logical", {"maximum": 1}, "maximum", "only numeric, integer, vector, matrix have"),
    ("data.frame", {"maximum": 1}, "maximum", "data.frame has none"),
    ("data.frame", {"enum": [{}]}, "enum", "data.frame has none"),
    ("integer", {"enum": []}, "enum", "must not be empty"),
    ("integer", {"enum": [1, "2"]}, "enum", "value 1, counted from 0, must be integer, a whole number, not the string"),
    ("integer", {"enum": [1, None]}, "enum", "not null"),
    ("numeric", {"enum": [1, 1.0]}, "enum", "must not have a value twice"),
    ("character", {"enum": ["a", "a"]}, "enum", "must not have a value twice"),
    ("character", {"enum": ["a", "\ud800"]}, "enum", "can't be sent as JSON"),
    ("numeric", {"enum": [1, 9], "maximum": 5}, "enum", "a number of at most 5, not the number 9"),
    ("vector", {"enum": [[1]]}, "enum", "must be a number, a string, true or false, not an array"),
    ("vector", {"enum": [None]}, "enum", "not null"),
    ("vector", {"enum": ["a"], "minimum": 0}, "enum", "its elements numbers of at least 0: the string 'a'"),
    ("integer", {"default": "3"}, "default", "must be integer, a whole number, not the string '3'"),
    ("integer", {"default": 3.0}, "default", "must be integer, a whole number, not the number 3.0"),
    ("integer", {"default": 0, "minimum": 1}, "default", "a whole number of at least 1, not the number 0"),
    ("character", {"default": "c", "enum": ["a", "b"]}, "default", 'one of "a", "b", not the string \'c\''),
    ("character", {"example": 3}, "example", "must be character, a string, not the number 3"),
    ("logical", {"example": 0}, "example", "true or false, not the number 0"),
    ("vector", {"default": [[1]]}, "default", "a flat array, not an array with arrays or objects in it"),
    ("vector", {"default": 1}, "default", "a flat array, not the number 1"),
    ("vector", {"default": [0, 2], "maximum": 1}, "default", "element 1, counted from 0, is the number 2"),
    ("vector", {"default": [math.nan]}, "default", "null is a missing element"),
    ("matrix", {"default": [[1], [2, 3]]}, "default", "rows of 1 to 2 elements"),
    ("data.frame", {"default": {"a": [1], "b": []}}, "default", "columns of different lengths"),
    ("data.frame", {"example": {"a": 1}}, "example", "a column 'a'"),
    ("character", {"description": "\ud800"}, "description", "can't be sent as JSON"),
    ("vector", {"default": [1j]}, "default", "can't be sent as JSON"),
]


@pytest.mark.parametrize(
    ("kind", "details", "member", "text"), WRONG, ids=lambda each: str(each)[:50].encode("ascii", "replace").decode()
)
def test_what_a_definition_may_not_say(kind: str, details: dict[str, Any], member: str, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_parameters([define(kind, **details)], None)
    assert caught.value.fields == (f"inputParameterDefinitions.x.{member}",)
    assert str(caught.value).startswith(f"inputParameterDefinitions.x.{member}: ")
    assert text in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("member", ["default", "enum", "minimum", "maximum"])
def test_outputs_have_descriptions_and_examples_only(member: str) -> None:
    with pytest.raises(BadRequest, match=f"an output may have description and example, but no {member}") as caught:
        checked_parameters(None, [ParameterDefinition("y", "vector", **{member: [1]})])
    assert caught.value.fields == (f"outputParameterDefinitions.y.{member}",)
    described = ParameterDefinition("y", "integer", description="all", example=3)
    assert checked_parameters(None, [described]) == (None, (Parameter("y", "integer", "all", example=3),))


def test_all_faults_are_told_at_once() -> None:
    inputs = [
        ParameterDefinition("a b", "tensor"),
        ParameterDefinition("x", "integer", default="a", minimum=1, example=0),
        ParameterDefinition("x", "integer"),
    ]
    with pytest.raises(BadRequest) as caught:
        checked_parameters(inputs, [ParameterDefinition(None, "vector"), ParameterDefinition("y")])
    assert caught.value.fields == (
        "inputParameterDefinitions.0.name",
        "inputParameterDefinitions.0.type",
        "inputParameterDefinitions.x.default",
        "inputParameterDefinitions.x.example",
        "inputParameterDefinitions.x",
        "outputParameterDefinitions.0.name",
        "outputParameterDefinitions.y.type",
    )


def test_many_faults_make_a_short_answer() -> None:
    with pytest.raises(BadRequest, match="and 980 more faults") as caught:
        checked_parameters([ParameterDefinition(f"x{number}", "tensor") for number in range(1000)], None)
    assert len(caught.value.fields) == 20


def test_the_size_of_all_details_is_bounded() -> None:
    half = "d" * (MAX_DETAIL_BYTES // 2)
    described = [ParameterDefinition(name, "vector", half) for name in ("a", "b")]
    with pytest.raises(BadRequest, match=f"{MAX_DETAIL_BYTES:,} are allowed") as caught:
        checked_parameters(described, None)
    assert caught.value.fields == ("inputParameterDefinitions",)
    checked_parameters(described[:1], described[1:])
    checked_parameters([ParameterDefinition(f"x{number}", "numeric") for number in range(10_000)], None)


def test_a_list_that_is_not_given_stays_none_and_an_empty_one_is_empty() -> None:
    assert checked_parameters(None, []) == (None, ())
