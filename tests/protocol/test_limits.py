"""Inputs with limits and defaults: what is taken, and how a fault is told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_deployr.protocol.errors import BadRequest, InvalidInputs
from jupyter_deployr.protocol.inputs import InputReader
from jupyter_deployr.protocol.parameters import Parameter

ONE_TO_TEN = Parameter("x", "integer", minimum=1, maximum=10)
COLOURS = Parameter("x", "character", enum=("red", "green"))
FRACTIONS = Parameter("x", "vector", minimum=0, maximum=1)
FLAGS = Parameter("x", "vector", enum=(True, 0))
HALVES = Parameter("x", "matrix", minimum=0.5)


def read(parameter: Parameter, text: str) -> Any:
    return InputReader([parameter]).read(b'{"x": ' + text.encode() + b"}")["x"]


TAKEN = [
    (ONE_TO_TEN, "1"),
    (ONE_TO_TEN, "10"),
    (Parameter("x", "numeric", minimum=0), "Infinity"),
    (Parameter("x", "numeric", maximum=9007199254740993), "9007199254740993"),
    (Parameter("x", "numeric", enum=(1, 2.5)), "1.0"),
    (Parameter("x", "logical", enum=(True,)), "true"),
    (COLOURS, '"green"'),
    (FRACTIONS, "[0, 0.5, 1]"),
    (FRACTIONS, "[]"),
    (FLAGS, "[true, 0, 0.0, -0.0]"),
    (HALVES, "[[0.5, 1], [2, 3]]"),
    (HALVES, "[]"),
]


@pytest.mark.parametrize(("parameter", "text"), TAKEN, ids=lambda each: str(each)[-60:])
def test_within_the_limits(parameter: Parameter, text: str) -> None:
    same = Parameter("x", parameter.type)
    assert repr(read(parameter, text)) == repr(read(same, text))


REFUSED = [
    (ONE_TO_TEN, "11", "x must be integer, a whole number from 1 to 10, not the number 11."),
    (ONE_TO_TEN, "0", "x must be integer, a whole number from 1 to 10, not the number 0."),
    (ONE_TO_TEN, '"5"', "x must be integer, a whole number from 1 to 10, not the string '5'."),
    (ONE_TO_TEN, "null", "x is missing: expected integer, a whole number from 1 to 10."),
    (Parameter("x", "numeric", minimum=0), "-0.5", "x must be numeric, a number of at least 0, not the number -0.5."),
    (
        Parameter("x", "numeric", maximum=0),
        "NaN",
        "x must be numeric, a number of at most 0, not NaN.",
    ),
    (
        Parameter("x", "numeric", minimum=0, maximum=10),
        "1e400",
        "x must be numeric, a number from 0 to 10, not an infinity, as which a number beyond 1.8e308 is read.",
    ),
    (
        Parameter("x", "numeric", minimum=0, maximum=10),
        "-1.5e305",
        "x must be numeric, a number from 0 to 10, not the number -1.5e+305.",
    ),
    (
        Parameter("x", "numeric", maximum=9007199254740992),
        "9007199254740993",
        "x must be numeric, a number of at most 9007199254740992, not the number 9007199254740993.",
    ),
    (Parameter("x", "logical", enum=(True,)), "false", "x must be logical, true or false, one of true, not false."),
    (COLOURS, '"blue"', 'x must be character, a string, one of "red", "green", not the string \'blue\'.'),
    (
        Parameter("x", "integer", enum=tuple(range(100)), maximum=50),
        "100",
        "x must be integer, a whole number of at most 50, one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more, "
        "not the number 100.",
    ),
    (
        FRACTIONS,
        "[0, 2]",
        "x must be vector, a flat array, its elements numbers from 0 to 1, "
        "not an array whose element 1, counted from 0, is the number 2.",
    ),
    (
        FRACTIONS,
        "[null]",
        "x must be vector, a flat array, its elements numbers from 0 to 1, "
        "not an array whose element 0, counted from 0, is null.",
    ),
    (
        FRACTIONS,
        "[true]",
        "x must be vector, a flat array, its elements numbers from 0 to 1, "
        "not an array whose element 0, counted from 0, is true.",
    ),
    (
        FRACTIONS,
        "[[1]]",
        "x must be vector, a flat array, its elements numbers from 0 to 1, not an array with arrays or objects in it.",
    ),
    (
        FLAGS,
        "[true, 1]",
        "x must be vector, a flat array, its elements one of true, 0, "
        "not an array whose element 1, counted from 0, is the number 1.",
    ),
    (
        HALVES,
        "[[1, 1], [1, 0]]",
        "x must be matrix, an array of equally long rows, its elements numbers of at least 0.5, "
        "not an array whose row 1, counted from 0, has the number 0 in it.",
    ),
]


@pytest.mark.parametrize(("parameter", "text", "message"), REFUSED, ids=lambda each: str(each)[-60:])
def test_beyond_the_limits(parameter: Parameter, text: str, message: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        read(parameter, text)
    assert str(caught.value) == message
    assert caught.value.fields == ("x",)


def test_a_large_vector_is_looked_at_to_its_end() -> None:
    numbers = [0.5] * 200_000
    assert read(FRACTIONS, json.dumps(numbers)).shape == (200_000,)
    with pytest.raises(InvalidInputs, match=r"element 200000, counted from 0, is the number 1\.5"):
        read(FRACTIONS, json.dumps([*numbers, 1.5]))


DEFAULTS = [
    Parameter("a", "integer", default=3, minimum=1),
    Parameter("b", "vector", default=[1, 2]),
    Parameter("c", "matrix", default=[["x"]]),
    Parameter("d", "data.frame", default={"k": [1, None]}),
    Parameter("e", "logical", default=False),
    Parameter("f", "character", default=""),
]
FILLED = {
    "a": 3,
    "b": np.array([1, 2]),
    "c": np.array([["x"]], object),
    "d": pd.DataFrame({"k": [1, np.nan]}),
    "e": False,
    "f": "",
}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"a": null, "b": null, "c": null, "d": null, "e": null, "f": null}'])
def test_what_is_not_given_has_its_default(body: bytes) -> None:
    found = InputReader(DEFAULTS).read(body)
    assert list(found) == list(FILLED)
    assert {name: repr(value) for name, value in found.items()} == {name: repr(value) for name, value in FILLED.items()}


def test_what_is_given_comes_before_the_default() -> None:
    found = InputReader(DEFAULTS).read(b'{"e": true, "a": 7}')
    assert (found["e"], found["a"], found["f"]) == (True, 7, "")


def test_each_call_has_defaults_of_its_own() -> None:
    reader = InputReader(DEFAULTS)
    spoiled = reader.read(b"{}")
    spoiled["b"][0] = 99
    spoiled["c"][0, 0] = "spoiled"
    spoiled["d"]["new"] = 1
    spoiled["d"].loc[0, "k"] = 99
    found = reader.read(b"{}")
    assert {name: repr(value) for name, value in found.items()} == {name: repr(value) for name, value in FILLED.items()}


def test_a_default_does_not_excuse_a_fault() -> None:
    with pytest.raises(InvalidInputs) as caught:
        InputReader([*DEFAULTS, Parameter("g", "numeric")]).read(b'{"a": 0, "e": 1, "h": null}')
    assert caught.value.fields == ("a", "e", "g", "h")


def test_one_input_without_a_default_needs_a_body() -> None:
    with pytest.raises(BadRequest, match="not valid JSON"):
        InputReader([*DEFAULTS, Parameter("g", "numeric")]).read(b"")
