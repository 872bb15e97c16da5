"""Outputs of each type, row by row and by properties."""

from __future__ import annotations

import decimal
import fractions
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.protocol.outputs import OutputError, OutputWriter
from jupyter_deployr.protocol.parameters import TYPES, Parameter
from jupyter_deployr.protocol.strict_json import write_json
from tests.protocol.json_values import NAN, array, scalars, written


class Numberlike:
    def __float__(self) -> Any:
        return 2.5


OUT: list[tuple[str, Any, Any]] = [
    ("numeric", 1.5, 1.5),
    ("numeric", 3, 3),
    ("numeric", np.float32(0.5), 0.5),
    ("numeric", np.int64(3), 3),
    ("numeric", True, 1.0),
    ("numeric", 2**64, 2**64),
    ("numeric", NAN, None),
    ("numeric", math.inf, None),
    ("numeric", None, None),
    ("numeric", pd.NA, None),
    ("numeric", np.array([1.5]), 1.5),
    ("numeric", np.array([[1.5]]), 1.5),
    ("numeric", np.array(1.5), 1.5),
    ("numeric", [2], 2),
    ("numeric", (np.float64(2.5),), 2.5),
    ("numeric", pd.Series([1.5], index=[7]), 1.5),
    ("numeric", pd.Series([None], dtype="Int64"), None),
    ("numeric", pd.Index([1.5]), 1.5),
    ("numeric", np.ma.array([1.5], mask=[True]), None),
    ("numeric", "5", 5.0),
    ("numeric", decimal.Decimal("1.5"), 1.5),
    ("numeric", fractions.Fraction(1, 2), 0.5),
    ("numeric", Numberlike(), 2.5),
    ("numeric", 0.5332668559970368, 0.5332668559970368),
    ("integer", 3, 3),
    ("integer", 3.0, 3),
    ("integer", np.float64(3.0), 3),
    ("integer", np.int8(3), 3),
    ("integer", True, 1),
    ("integer", [3], 3),
    ("integer", np.array([3.0]), 3),
    ("integer", 2**53 + 1, 2**53 + 1),
    ("integer", 2**70, 2**70),
    ("integer", "3", 3),
    ("integer", NAN, None),
    ("integer", None, None),
    ("logical", True, True),
    ("logical", np.bool_(False), False),
    ("logical", 1, True),
    ("logical", 0.0, False),
    ("logical", np.int64(1), True),
    ("logical", np.array([True]), True),
    ("logical", None, None),
    ("logical", NAN, None),
    ("character", "a", "a"),
    ("character", np.str_("a"), "a"),
    ("character", ["a"], "a"),
    ("character", np.array(["I. setosa"]), "I. setosa"),
    ("character", np.array("a"), "a"),
    ("character", 5, "5"),
    ("character", None, None),
    ("character", pd.NA, None),
    ("vector", [1.5, 2.5], [1.5, 2.5]),
    ("vector", (1, "a", None), [1, "a", None]),
    ("vector", {1}, [1]),
    ("vector", range(3), [0, 1, 2]),
    ("vector", np.array([1, 2]), [1, 2]),
    ("vector", np.array([[1, 2]]), [1, 2]),
    ("vector", np.array([[1], [2]]), [1, 2]),
    ("vector", np.empty((0, 3)), []),
    ("vector", np.array(["a", "b"]), ["a", "b"]),
    ("vector", [np.str_("a")], ["a"]),
    ("vector", np.str_("abc"), ["abc"]),
    ("vector", "abc", ["abc"]),
    ("vector", b"a", ["YQ=="]),
    ("vector", 5, [5]),
    ("vector", np.float64(2.5), [2.5]),
    ("vector", np.array(5), [5]),
    ("vector", np.array("2020-01-02", "datetime64[ns]"), ["2020-01-02T00:00:00"]),
    ("vector", [NAN, 1.0], [None, 1.0]),
    ("vector", np.array([NAN, np.inf]), [None, None]),
    ("vector", pd.Series([1, 2], index=[5, 6]), [1, 2]),
    ("vector", pd.Series(["a", None]), ["a", None]),
    ("vector", pd.Categorical(["a", "b"]), ["a", "b"]),
    ("vector", pd.DatetimeIndex(["2020-01-01"]), ["2020-01-01T00:00:00"]),
    ("vector", pd.array([1, None]), [1, None]),
    ("vector", pd.Timestamp("2020-01-01"), ["2020-01-01T00:00:00"]),
    ("vector", [], []),
    ("vector", None, None),
    ("matrix", np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ("matrix", np.array([1, 2]), [[1, 2]]),
    ("matrix", [[1, None], [3, 4]], [[1, None], [3, 4]]),
    ("matrix", [(1, 2), np.array([3, 4])], [[1, 2], [3, 4]]),
    ("matrix", pd.DataFrame({"a": [1, 2]}), [[1], [2]]),
    ("matrix", np.array([[NAN]]), [[None]]),
    ("matrix", np.array([["a", 1]], object), [["a", 1]]),
    ("matrix", [], []),
    ("matrix", None, None),
    ("data.frame", pd.DataFrame({"a": [1, 2], "t": ["p", None]}, index=[4, 5]), {"a": [1, 2], "t": ["p", None]}),
    ("data.frame", pd.DataFrame({"am_Pred": [0.5332668559970368]}), {"am_Pred": [0.5332668559970368]}),
    ("data.frame", pd.DataFrame({"x": [NAN, 1.0]}), {"x": [None, 1.0]}),
    ("data.frame", pd.DataFrame({"a": []}), {"a": []}),
    ("data.frame", pd.Series([1, 2], name="a"), {"a": [1, 2]}),
    ("data.frame", pd.Series([1, 2]), {"y": [1, 2]}),
    ("data.frame", pd.Series([1, 2], name=0), {"0": [1, 2]}),
    ("data.frame", 3, {"y": [3]}),
    ("data.frame", "a", {"y": ["a"]}),
    ("data.frame", [1, 2], {"y": [1, 2]}),
    ("data.frame", np.array([1, 2]), {"y": [1, 2]}),
    ("data.frame", np.eye(2), {"0": [1.0, 0.0], "1": [0.0, 1.0]}),
    ("data.frame", {"a": [1, 2], "b": ["x", None]}, {"a": [1, 2], "b": ["x", None]}),
    ("data.frame", [{"a": 1}, {"a": 2}], {"a": [1, 2]}),
    ("data.frame", pd.DataFrame({"d": pd.DatetimeIndex(["2020-01-01", "NaT"])}), {"d": ["2020-01-01T00:00:00", None]}),
    ("data.frame", pd.DataFrame({"c": pd.Categorical(["a", None])}), {"c": ["a", None]}),
    ("data.frame", None, None),
]


@pytest.mark.parametrize(("kind", "value", "expected"), OUT, ids=[f"{row[0]} {row[1]!r:.40}" for row in OUT])
def test_out(kind: Any, value: Any, expected: Any) -> None:
    found = written(kind, value)
    assert found == expected
    assert repr(found) == repr(expected)  # 1, 1.0 and True are equal


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_out_of_numpy_matrix() -> None:
    assert written("matrix", np.matrix([[1, 2]])) == [[1, 2]]
    assert written("vector", np.matrix([[1, 2]])) == [1, 2]
    assert written("numeric", np.matrix([[1.5]])) == 1.5


class Spiteful:
    """A value of user code whose conversions fail in their own way."""

    def __float__(self) -> float:
        raise RuntimeError("never")

    def __str__(self) -> str:
        raise RuntimeError("never")


NOT_OUT = [
    ("numeric", "abc", "str 'abc'"),
    ("numeric", [1, 2], "list of 2 elements"),
    ("numeric", [], "list of 0 elements"),
    ("numeric", [[1], [1, 2]], "list of 2 elements"),
    ("numeric", np.array([1, 2]), "ndarray of 2 elements"),
    ("numeric", pd.Series([1, 2]), "Series of 2 elements"),
    ("numeric", pd.DataFrame({"a": [1]}), "DataFrame"),
    ("numeric", {"a": 1}, "dict"),
    ("numeric", 1j, "complex"),
    ("numeric", fractions.Fraction(10**400), "OverflowError"),
    ("numeric", Spiteful(), "RuntimeError: never"),
    ("integer", 3.7, "3.7"),
    ("integer", np.float32(0.5), "0.5"),
    ("integer", math.inf, "inf"),
    ("integer", "3.5", "3.5"),
    ("integer", "abc", "str 'abc'"),
    ("integer", [1, 2], "list of 2 elements"),
    ("logical", 2, "int 2"),
    ("logical", "true", "str 'true'"),
    ("logical", [True, False], "list of 2 elements"),
    ("logical", pd.DataFrame({"a": [1, 2]}), "DataFrame"),
    ("character", ["a", "b"], "list of 2 elements"),
    ("character", np.array(["a", "b"]), "ndarray of 2 elements"),
    ("character", Spiteful(), "RuntimeError: never"),
    ("vector", np.zeros((2, 2)), "array of shape (2, 2)"),
    ("vector", {"a": 1}, "dict"),
    ("vector", pd.DataFrame({"a": [1]}), "DataFrame"),
    ("matrix", [[1, 2], [3]], "rows of different lengths"),
    ("matrix", [1, 2], "list"),
    ("matrix", 5, "int 5"),
    ("matrix", "abc", "str 'abc'"),
    ("matrix", np.zeros((1, 1, 1)), "array of shape (1, 1, 1)"),
    ("data.frame", {"a": [1], "b": [1, 2]}, "dict"),
    ("data.frame", np.zeros((1, 1, 1)), "ndarray"),
    ("data.frame", pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
]


@pytest.mark.parametrize(("kind", "value", "shown"), NOT_OUT, ids=[f"{row[0]} {row[1]!r:.40}" for row in NOT_OUT])
def test_not_out(kind: Any, value: Any, shown: Any) -> None:
    with pytest.raises(OutputError) as caught:
        written(kind, value)
    assert "'y'" in str(caught.value)
    assert kind in str(caught.value)
    assert shown in str(caught.value)


def test_an_output_that_the_code_did_not_define() -> None:
    with pytest.raises(OutputError, match="did not define the output 'y'"):
        OutputWriter([Parameter("y", "numeric")]).write({"z": 1})


def test_outputs_come_in_the_order_of_the_definition_and_alone() -> None:
    writer = OutputWriter([Parameter("b", "numeric"), Parameter("a", "character")])
    assert list(writer.write({"a": "x", "b": 1, "c": 2}).items()) == [("b", 1), ("a", "x")]


def test_no_outputs() -> None:
    assert OutputWriter([]).write({"x": object()}) == {}


any_values = st.recursive(
    scalars
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.complex_numbers()
    | st.fractions()
    | st.integers()
    | st.sampled_from([pd.NA, pd.NaT, object(), Spiteful, np.datetime64("NaT"), np.str_("a"), np.bool_(True)])
    | st.lists(st.floats() | st.integers(-5, 5)).map(np.array)
    | st.lists(scalars, max_size=3).map(lambda items: pd.Series(items, dtype=object)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.lists(inner, max_size=2).map(lambda items: array(items, object))
    ),
    max_leaves=6,
)


@given(st.sampled_from(TYPES), any_values)
def test_whatever_the_code_leaves_is_strict_json_or_an_output_error(kind: Any, value: Any) -> None:
    try:
        values = OutputWriter([Parameter("y", kind)]).write({"y": value})
    except OutputError:
        return
    try:
        text = write_json(values)
    except TypeError:
        assert kind in ("vector", "matrix", "data.frame")  # an element without JSON form
        return
    found = json.loads(text)["y"]
    expected: dict[str, Any] = {
        "numeric": (int, float),
        "integer": int,
        "logical": bool,
        "character": str,
        "data.frame": dict,
    }
    assert found is None or isinstance(found, expected.get(kind, list))


class FromLargeFile:
    """An element that only shows when it is written."""


def test_an_element_without_json_form_is_named() -> None:
    with pytest.raises(TypeError, match="FromLargeFile"):
        written("vector", [FromLargeFile()])
