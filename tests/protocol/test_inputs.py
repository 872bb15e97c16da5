"""Inputs of each type, row by row and by properties."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jupyter_deployr.protocol.errors import BadRequest, InvalidInputs
from jupyter_deployr.protocol.inputs import InputReader
from jupyter_deployr.protocol.parameters import TYPES, Parameter
from tests.protocol.json_values import NAN, array, json_values, read, scalars, written


def parameters(**types: str) -> list[Parameter]:
    return [Parameter(name, kind) for name, kind in types.items()]


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert repr(found.tolist()) == repr(expected.tolist())
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    else:
        assert repr(found) == repr(expected)


FRAME = pd.DataFrame
IN = [
    ("numeric", "1.5", 1.5),
    ("numeric", "1", 1),
    ("numeric", "-0.0", -0.0),
    ("numeric", "NaN", NAN),
    ("numeric", "-Infinity", -math.inf),
    ("numeric", "1e400", math.inf),
    ("numeric", "9007199254740993", 2**53 + 1),
    ("integer", "3", 3),
    ("integer", "-9007199254740993", -(2**53) - 1),
    ("integer", "18446744073709551615", 2**64 - 1),
    ("logical", "true", True),
    ("logical", "false", False),
    ("character", '"a"', "a"),
    ("character", '""', ""),
    ("character", '"\\u00fc 花 \\ud83d\\ude00"', "ü 花 😀"),
    ("vector", "[7, 3.2, 4.7, 1.4]", array([7, 3.2, 4.7, 1.4], np.float64)),
    ("vector", "[1, 2]", array([1, 2], np.int64)),
    ("vector", "[1, null]", array([1, NAN], np.float64)),
    ("vector", "[null]", array([NAN], np.float64)),
    ("vector", "[1.5, NaN, Infinity]", array([1.5, NAN, math.inf], np.float64)),
    ("vector", "[true, false]", array([True, False], np.bool_)),
    ("vector", "[true, null]", array([True, None], object)),
    ("vector", "[true, 1]", array([True, 1], object)),
    ("vector", '["a", "b"]', array(["a", "b"], object)),
    ("vector", '["a", null]', array(["a", None], object)),
    ("vector", '[1, "a"]', array([1, "a"], object)),
    ("vector", '["1", 2.5, true, null]', array(["1", 2.5, True, None], object)),
    ("vector", "[18446744073709551615, 1]", array([2**64 - 1, 1], object)),
    ("vector", "[5]", array([5], np.int64)),
    ("vector", "[]", array([], np.float64)),
    ("matrix", "[[1, 2], [3, 4]]", np.array([[1, 2], [3, 4]], np.int64)),
    ("matrix", "[[1, 2.5], [null, 4]]", np.array([[1, 2.5], [NAN, 4]])),
    ("matrix", "[[true], [false]]", np.array([[True], [False]])),
    ("matrix", '[[1, "a"]]', np.array([[1, "a"]], object)),
    ("matrix", "[[]]", np.empty((1, 0))),
    ("matrix", "[]", np.empty((0, 0))),
    ("data.frame", '{"a": [1, 2], "b": [0.5, null]}', FRAME({"a": [1, 2], "b": [0.5, NAN]})),
    ("data.frame", '{"t": ["p", "q"]}', FRAME({"t": ["p", "q"]})),
    ("data.frame", '{"t": ["p", 1]}', FRAME({"t": array(["p", 1], object)})),
    ("data.frame", '{"l": [true]}', FRAME({"l": [True]})),
    ("data.frame", '{"b": [1], "a": [2]}', FRAME({"b": [1], "a": [2]})),
    ("data.frame", '{"a": [], "b": []}', FRAME({"a": [], "b": []}, dtype=np.float64)),
    ("data.frame", "{}", FRAME({})),
    ("data.frame", '{"": [1]}', FRAME({"": [1]})),
    ("data.frame", '[{"a": 1, "t": "p"}, {"t": "q", "a": 2}]', FRAME({"a": [1, 2], "t": ["p", "q"]})),
]


@pytest.mark.parametrize(("kind", "text", "value"), IN, ids=[f"{row[0]} {row[1]}" for row in IN])
def test_in(kind: Any, text: Any, value: Any) -> None:
    same(read(kind, text), value)


NOT_IN = [
    ("numeric", "true", "true"),
    ("numeric", '"5"', "'5'"),
    ("numeric", "[5]", "an array"),
    ("numeric", "{}", "an object"),
    ("integer", '"5"', "'5'"),
    ("integer", "3.5", "3.5"),
    ("integer", "3.0", "3.0"),
    ("integer", "false", "false"),
    ("integer", "NaN", "NaN"),
    ("integer", "1e400", "an infinity, as which a number beyond 1.8e308 is read"),
    ("integer", "1e400", "a number"),
    ("logical", "1", "the number 1"),
    ("logical", '"true"', "'true'"),
    ("character", "5", "the number 5"),
    ("character", '["a"]', "an array"),
    ("vector", "5", "the number 5"),
    ("vector", '"abc"', "'abc'"),
    ("vector", "[[1, 2]]", "arrays or objects"),
    ("vector", '[1, {"a": 1}]', "arrays or objects"),
    ("vector", '{"0": 1}', "an object"),
    ("matrix", "[[1, 2], [3]]", "rows of 1 to 2"),
    ("matrix", "[1, 2]", "not all rows"),
    ("matrix", "[[1], 2]", "not all rows"),
    ("matrix", "[[[1]]]", "arrays or objects"),
    ("matrix", "[[1], null]", "not all rows"),
    ("matrix", "7", "the number 7"),
    ("data.frame", '{"a": [1, 2], "b": [1]}', "'a' has 2, 'b' has 1"),
    ("data.frame", '{"a": 1}', "'a'"),
    ("data.frame", '{"a": [[1]]}', "'a'"),
    ("data.frame", '[{"a": 1}, {"b": 1}]', "different columns"),
    ("data.frame", "[[1]]", "an array"),
    ("data.frame", "[]", "an array"),
    ("data.frame", '"a"', "'a'"),
    ("character", '{"a": 1}', "an object"),
    ("numeric", json.dumps("x" * 5000), "5000 characters"),
]


@pytest.mark.parametrize(("kind", "text", "shown"), NOT_IN, ids=[f"{row[0]} {row[1][:30]}" for row in NOT_IN])
def test_not_in(kind: Any, text: Any, shown: Any) -> None:
    with pytest.raises(InvalidInputs) as caught:
        read(kind, text)
    message = str(caught.value)
    assert message.startswith(f"x must be {kind}, ")
    assert shown in message.split(" not ", 1)[1]
    assert caught.value.fields == ("x",)


@pytest.mark.parametrize("kind", TYPES)
def test_null_counts_as_not_given(kind: Any) -> None:
    with pytest.raises(InvalidInputs, match=rf"^x is missing: expected {kind}") as caught:
        read(kind, "null")
    assert caught.value.fields == ("x",)


def test_all_faults_in_one_answer() -> None:
    reader = InputReader(parameters(a="numeric", b="integer", c="logical", d="character"))
    with pytest.raises(InvalidInputs) as caught:
        reader.read(b'{"a": "1", "b": null, "d": "fine", "e": 1, "f": 2}')
    assert caught.value.fields == ("a", "b", "c", "e", "f")
    assert str(caught.value) == (
        "a must be numeric, a number, not the string '1'; "
        "b is missing: expected integer, a whole number; "
        "c is missing: expected logical, true or false; "
        "'e' is not an input of this service (its inputs: a, b, c, d); "
        "'f' is not an input of this service (its inputs: a, b, c, d)."
    )
    assert caught.value.status == 400


def test_countless_unknown_names_make_a_short_answer() -> None:
    body = json.dumps({f"{'n' * 50}{number}": number for number in range(100_000)}).encode()
    with pytest.raises(InvalidInputs) as caught:
        InputReader([Parameter("x", "numeric")]).read(body)
    assert len(str(caught.value)) < 5_000
    assert len(caught.value.body["fields"]) < 2_000
    assert "99980 more" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'[{"x": 1}]', b"1", b'"x"', b"", b"{", b'{"x": 1, "x": 2}', b"\xef\xbb\xbf{}"]
)
def test_bodies_that_are_no_object_of_inputs(body: Any) -> None:
    with pytest.raises(BadRequest):
        InputReader([Parameter("x", "numeric")]).read(body)


@pytest.mark.parametrize("body", [b"", b"{}", bytearray(b""), memoryview(b"{}")])
def test_a_service_without_inputs_needs_no_body(body: Any) -> None:
    assert InputReader([]).read(body) == {}


def test_inputs_come_in_the_order_of_the_definition() -> None:
    assert list(InputReader(parameters(b="numeric", a="numeric")).read(b'{"a": 1, "b": 2}')) == ["b", "a"]


def test_each_call_gets_values_of_its_own() -> None:
    reader = InputReader([Parameter("x", "vector")])
    reader.read(b'{"x": [1, 2]}')["x"][0] = 99
    assert reader.read(b'{"x": [1, 2]}')["x"].tolist() == [1, 2]


def kept(item: Any) -> Any:
    """A JSON scalar as a vector with mixed content or numbers holds it."""
    return NAN if item is None else item


@given(st.lists(scalars))
def test_a_vector_keeps_its_elements_and_never_makes_strings(items: Any) -> None:
    found = read("vector", json.dumps(items))
    kinds = set(map(type, items))
    assert found.shape == (len(items),)
    if kinds <= {int, float, type(None)}:
        expected = "O" if kinds == {int} and max(items) >= 2**63 else "i" if kinds == {int} else "f"
        assert found.dtype.kind == expected
        assert repr([float(item) for item in found]) == repr([float(kept(item)) for item in items])
    else:
        assert found.dtype.kind == ("b" if kinds == {bool} else "O")
        assert repr(found.tolist()) == repr(items)


@given(st.lists(st.lists(scalars, max_size=4), max_size=4))
def test_a_matrix_keeps_its_shape_or_is_refused(rows: Any) -> None:
    try:
        found = read("matrix", json.dumps(rows))
    except InvalidInputs:
        assert len({len(row) for row in rows}) > 1
        return
    assert found.shape == ((len(rows), len(rows[0])) if rows else (0, 0))
    flat = [item for row in rows for item in row]
    if flat:
        same(found.reshape(-1), read("vector", json.dumps(flat)))


@given(st.integers(0, 4).flatmap(lambda n: st.dictionaries(st.text(), st.lists(scalars, min_size=n, max_size=n))))
def test_a_frame_keeps_its_columns(columns: Any) -> None:
    found = read("data.frame", json.dumps(columns))
    assert list(found.columns) == list(columns)
    for position, cells in enumerate(columns.values()):
        assert len(found) == len(cells)
        assert not any(isinstance(cell, str) for cell in found.iloc[:, position] if cell not in cells)


@given(st.sampled_from(TYPES), json_values)
def test_whatever_is_sent_is_taken_or_refused(kind: Any, value: Any) -> None:
    with contextlib.suppress(InvalidInputs):
        read(kind, json.dumps(value))


@given(st.sampled_from(TYPES), json_values)
def test_an_accepted_value_goes_out_as_it_came_in(kind: Any, value: Any) -> None:
    try:
        found = read(kind, json.dumps(value))
    except InvalidInputs:
        return
    assume(not (kind == "data.frame" and isinstance(value, list)))  # rows come back as columns
    expected = json.loads(json.dumps(value), parse_constant=lambda token: None)
    assert written(kind, found) == expected
