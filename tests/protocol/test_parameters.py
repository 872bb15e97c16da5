"""Types and names of parameters, and their JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.parameters import TYPES, Parameter, canonical_type, check_name


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *((name, name) for name in ("logical", "numeric", "integer", "character", "vector", "matrix", "data.frame")),
        ("string", "character"),
        ("str", "character"),
        ("float", "numeric"),
        ("double", "numeric"),
        ("int", "integer"),
        ("bool", "logical"),
        ("list", "vector"),
        ("array", "vector"),
        ("dataframe", "data.frame"),
        ("DataFrame", "data.frame"),
        ("Numeric", "numeric"),
    ],
)
def test_type_names(name: Any, canonical: Any) -> None:
    assert canonical_type(name) == canonical
    assert canonical in TYPES


@pytest.mark.parametrize("name", [None, "", "number", "object", 3, ["vector"], {}, "x" * 9_000, "vector "], ids=str)
def test_unknown_types_are_refused_with_the_list(name: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        canonical_type(name)
    assert all(kind in str(caught.value) for kind in TYPES)
    assert caught.value.fields == ("type",)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["x", "flower_data", "_", "_x1", "größe", "match", "print", "花"])
def test_names_that_python_takes(name: Any) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "1x",
        "a b",
        "a-b",
        "a.b",
        "class",
        "None",
        "__name__",
        "__all__",
        5,
        "ﬁn",
        "x²",
        "x\n",
        "x" * 999 + "-",
    ],
    ids=repr,
)
def test_names_that_python_does_not_take(name: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        check_name(name)
    assert caught.value.fields == ("name",)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=8))
def test_an_accepted_name_is_the_variable_that_code_sees(name: Any) -> None:
    try:
        check_name(name)
    except BadRequest:
        return
    namespace = {name: 42}
    exec(f"found = {name}", namespace)
    assert namespace["found"] == 42


WITH_DETAILS = [
    (Parameter("x", "vector"), ["x", "vector"]),
    (Parameter("x", "character", description=""), ["x", "character", {"description": ""}]),
    (Parameter("x", "numeric", default=0, minimum=0.0), ["x", "numeric", {"default": 0, "minimum": 0.0}]),
    (Parameter("x", "logical", default=False, example=True), ["x", "logical", {"default": False, "example": True}]),
    (Parameter("x", "vector", enum=("a", 1), default=[]), ["x", "vector", {"default": [], "enum": ["a", 1]}]),
    (Parameter("x", "data.frame", default={"a": [1, None]}), ["x", "data.frame", {"default": {"a": [1, None]}}]),
]


@pytest.mark.parametrize(("parameter", "document"), WITH_DETAILS, ids=lambda row: str(row)[:60])
def test_a_parameter_comes_back_from_json(parameter: Any, document: Any) -> None:
    assert parameter.to_json() == document
    found = Parameter.from_json(json.loads(json.dumps(document)))
    assert found == parameter
    assert hash(found) == hash(parameter)
    assert repr(found) == repr(parameter)


DIFFERENT = [
    ({"default": 1}, {"default": 1.0}),
    ({"default": [1]}, {"default": [True]}),
    ({"default": {"a": [], "b": []}}, {"default": {"b": [], "a": []}}),
    ({"enum": (0,)}, {"enum": (False,)}),
    ({"minimum": 0}, {"maximum": 0}),
    ({"minimum": 0}, {}),
    ({"description": "a"}, {"description": "b"}),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=str)
def test_parameters_that_take_other_values_differ(one: Any, other: Any) -> None:
    assert Parameter("x", "vector", **one) != Parameter("x", "vector", **other)
    assert Parameter("x", "vector", **one) == Parameter("x", "vector", **one)


def test_what_people_read_does_not_matter_to_calls() -> None:
    described = Parameter("x", "integer", "how many", 1, (1, 2), 0, 3, 2)
    assert described.for_calls == Parameter("x", "integer", None, 1, (1, 2), 0, 3)
