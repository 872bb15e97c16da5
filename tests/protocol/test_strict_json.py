"""JSON in and out: what is read, what is refused, and that every output parses strictly."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import types
import uuid
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.strict_json import (
    frame_columns,
    read_exact_json,
    read_json,
    write_json,
    write_json_with_nan,
)


def strictly(text: Any) -> Any:
    """Parse as the strictest client would: no NaN tokens, no lone surrogates, UTF-8."""

    def refuse(token: Any) -> None:
        raise AssertionError(f"{token} in {text!r}")

    document = json.loads(text.decode("utf-8"), parse_constant=refuse)
    if not has_wide_integers(document):
        orjson.loads(text)
    return document


def has_wide_integers(document: Any) -> Any:
    if isinstance(document, dict):
        return any(map(has_wide_integers, document.values()))
    if isinstance(document, list):
        return any(map(has_wide_integers, document))
    return isinstance(document, int) and not -(2**63) <= document < 2**64


def test_the_strict_parser_of_this_module_refuses() -> None:
    with pytest.raises(AssertionError):
        strictly(b"[NaN]")
    with pytest.raises(orjson.JSONDecodeError):
        strictly(b'"\\ud800"')


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b'[1, 2.5, "a", true]', [1, 2.5, "a", True]),
        (b'{"a": {"b": []}}', {"a": {"b": []}}),
        ('"ü \\u00fc"'.encode(), "ü ü"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'["\\ud83d\\ude00", NaN]', "['😀', nan]"),
        (b"NaN", "nan"),
        (b"[Infinity, -Infinity]", "[inf, -inf]"),
        (b"1e400", "inf"),
        (b"-1e400", "-inf"),
        (b"-0.0", "-0.0"),
        (b"9007199254740993", 2**53 + 1),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"18446744073709551616", "1.8446744073709552e+19"),  # beyond 64 bits
        (b"[18446744073709551615, 18446744073709551616, NaN]", "[18446744073709551615, 1.8446744073709552e+19, nan]"),
    ],
    ids=repr,
)
def test_read(body: Any, value: Any) -> None:
    found = read_json(body)
    assert (repr(found) if isinstance(value, str) and value != found else found) == value


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_read_takes_any_buffer(kind: Any) -> None:
    assert read_json(kind(b'{"a": 1}')) == {"a": 1}
    assert math.isnan(read_json(kind(b"NaN")))


REFUSED = {
    "empty": b"",
    "blank": b"  ",
    "not JSON": b"code=1",
    "single quotes": b"{'a': 1}",
    "trailing comma": b"[1,]",
    "two documents": b"1 2",
    "cut": b'{"a": [1, 2',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": '{"a": "ü"}'.encode("latin-1"),
    "control character": b'"a\x00b"',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'{"\\uDC00": 1}',
    "lone surrogate beside NaN": b'[NaN, "\\ud800x"]',
    "encoded surrogate": b'"\xed\xa0\x80"',
    "100,000 deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "100,000 deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep with NaN": b"[" * 5_000 + b"NaN" + b"]" * 5_000,
    "4,301 digits": b"1" * 4_301,
    "-4,301 digits": b"-" + b"1" * 4_301,
    "400 digits": b"[" + b"1" * 400 + b"]",
    "400 digits beside NaN": b"[NaN, " + b"1" * 400 + b"]",
    "two members of one name": b'{"a": 1, "a": 2}',
    "two members of one name, escaped": b'{"a": 1, "\\u0061": 2}',
    "two members of one name, deep": b'{"a": [[{"b": 1 , "b" : 2}]]}',
    "two members of one name, in a frame": b'{"a": {"b": [1], "b": [2]}}',
    "two members of one name, beside NaN": b'{"a": NaN, "a": 2}',
    "two members of one name, beside colons": b'{"t": "10:30:00", "a": ":", "a": "\\":"}',
    "two members of one name, in a batch": b'[{"a": 1}, {"a": 1, "a": 2}]',
    "NaN in the wrong case": b"[nan]",
    "signed NaN": b"-NaN",
    "hexadecimal": b"0x10",
    "large and malformed": b"[" + b"1," * 9_000_000 + b"]",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refused(body: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read_json(body)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [name for name in REFUSED if "400 digits" not in name])
def test_refused_by_the_exact_reader(name: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read_exact_json(REFUSED[name])
    assert len(str(caught.value)) < 300


def test_the_exact_reader_keeps_whole_numbers() -> None:
    value = 3**400
    assert read_exact_json(f'{{"a": [{value}, 1.5, NaN]}}'.encode())["a"][0] == value
    assert repr(read_exact_json(b'["\\ud83d\\ude00", -Infinity, 1e400]')) == "['😀', -inf, inf]"


def test_a_name_that_is_there_twice_among_many_is_found_at_once() -> None:
    body = json.dumps({str(number): number for number in range(99_999)}).encode()
    for read in (read_json, read_exact_json):
        with pytest.raises(BadRequest, match="'99998' twice"):
            read(body[:-1] + b', "99998": 1}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": {"b": 1}, "b": {"b": 1}}',
        b'[{"a": 1}, {"a": 1}]',
        b'{"a": [{"b": 1}, {"b": [{"b": 2}]}]}',
        b'{"a": "\\":", "b": "x\\" :", "c": "::"}',
        b'{"start": "2020-01-01T10:30:00"}',
    ],
    ids=repr,
)
def test_one_name_in_several_objects_is_fine(body: Any) -> None:
    assert read_json(body) == json.loads(body)


def test_many_members_are_read() -> None:
    document = {str(number): number for number in range(100_000)}
    assert read_json(json.dumps(document).encode()) == document


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 1]))
def test_reads_what_old_clients_send(value: Any, indent: Any) -> None:
    assert repr(read_json(json.dumps(value, indent=indent).encode())) == repr(value)


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u d8e1.-+NaInfity', max_size=40).map(str.encode))
@example(b"{" + b'"' * 3)
def test_whatever_is_sent_is_read_or_refused(body: Any) -> None:
    with contextlib.suppress(BadRequest):
        read_json(body)


# ------------------------------------------------------------------------------------------------------------ writing


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: float
    y: object


Pair = collections.namedtuple("Pair", "a b")
NS = "datetime64[ns]"

WRITTEN = {
    "nan": ([float("nan"), {"a": math.inf}, -math.inf], [None, {"a": None}, None]),
    "minus zero": (-0.0, -0.0),
    "numpy scalars": ([np.float64(1.5), np.float32(0.5), np.int8(3), np.uint64(2**64 - 1)], [1.5, 0.5, 3, 2**64 - 1]),
    "numpy nan": ([np.float64("nan"), np.float16("inf")], [None, None]),
    "numpy bool": ([np.bool_(True), np.bool_(False)], [True, False]),
    "numpy str": ([np.str_("a"), np.array(["b"])], ["a", ["b"]]),
    "long double": ([np.longdouble(1.5), np.array([2.5], np.longdouble)], [1.5, [2.5]]),
    "1-D": (np.array([1.0, np.nan]), [1.0, None]),
    "2-D": (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    "3-D": (np.zeros((1, 2, 1), bool), [[[False], [False]]]),
    "0-D": ([np.array(5), np.array("2020-01-01", NS)], [5, "2020-01-01T00:00:00"]),
    "empty": ([np.empty(0), np.empty((0, 3)), np.empty((2, 0))], [[], [], [[], []]]),
    "half": (np.array([0.5, np.inf], np.float16), [0.5, None]),
    "big endian": (np.array([1.5, 2.0], ">f8"), [1.5, 2.0]),
    "strided": (np.arange(6).reshape(2, 3).T[::2], [[0, 3], [2, 5]]),
    "object array": (np.array([1, None, "a", pd.NA, np.float64("nan")], object), [1, None, "a", None, None]),
    "object matrix": (np.array([[1, pd.NaT], ["a", 2.5]], object), [[1, None], ["a", 2.5]]),
    "masked": (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    "structured": (np.array([(1, 2.5)], [("a", int), ("b", float)]), [[1, 2.5]]),
    "dates of numpy": (np.array(["2020-01-02", "NaT"], NS), ["2020-01-02T00:00:00", None]),
    "days of numpy": (np.array(["2020-01-02", "NaT"], "datetime64[D]"), ["2020-01-02T00:00:00", None]),
    "date of numpy": ([np.datetime64("2020-01-02T03:04"), np.datetime64("NaT")], ["2020-01-02T03:04:00", None]),
    "durations": (
        [datetime.timedelta(days=1), np.timedelta64(1, "s"), np.array([1], "timedelta64[s]"), pd.Timedelta("1s")],
        ["P1DT0H0M0S", "P0DT0H0M1S", ["P0DT0H0M1S"], "P0DT0H0M1S"],
    ),
    "series": (pd.Series([1.5, None]), [1.5, None]),
    "series of strings": (pd.Series(["a", None]), ["a", None]),
    "series of Int64": (pd.Series([2**53 + 1, None], dtype="Int64"), [2**53 + 1, None]),
    "series of boolean": (pd.Series([True, None], dtype="boolean"), [True, None]),
    "series of dates": (pd.Series(pd.DatetimeIndex(["2020-01-01", "NaT"])), ["2020-01-01T00:00:00", None]),
    "series with zone": (pd.Series(pd.to_datetime(["2020-01-01"], utc=True)), ["2020-01-01T00:00:00+00:00"]),
    "categorical": (pd.Categorical(["a", None, "a"]), ["a", None, "a"]),
    "index": ([pd.Index(["a"]), pd.RangeIndex(2), pd.MultiIndex.from_tuples([(1, "x")])], [["a"], [0, 1], [[1, "x"]]]),
    "frame": (pd.DataFrame({"a": [1, 2], 3: ["x", None]}, index=[7, 8]), {"a": [1, 2], "3": ["x", None]}),
    "frame without rows": (pd.DataFrame({"a": [], "b": []}), {"a": [], "b": []}),
    "missing": ([pd.NA, pd.NaT, None], [None, None, None]),
    "timestamp": (pd.Timestamp("2020-01-01T01:02:03.000000004"), "2020-01-01T01:02:03.000000004"),
    "dates": (
        [datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC), datetime.date(2020, 1, 2), datetime.time(3)],
        ["2020-01-02T03:00:00+00:00", "2020-01-02", "03:00:00"],
    ),
    "sets and ranges": ([{1}, frozenset("a"), range(3)], [[1], ["a"], [0, 1, 2]]),
    "tuples": ([(1, 2), Pair(1, 2)], [[1, 2], [1, 2]]),
    "bytes": ([b"\xff", bytearray(b"a"), memoryview(b"ab")], ["/w==", "YQ==", "YWI="]),
    "decimals": ([decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN")], [1.5, None, None]),
    "path": (pathlib.PurePosixPath("/a/b"), "/a/b"),
    "mappings": ([collections.OrderedDict(a=1), types.MappingProxyType({"b": 2})], [{"a": 1}, {"b": 2}]),
    "enums": ([Colour.RED, Level.HIGH], ["red", 3]),
    "dataclass": (Point(1.5, np.array([1])), {"x": 1.5, "y": [1]}),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "keys": (
        {2.5: "b", None: "c", True: "d", np.int64(7): "e", datetime.date(2020, 1, 1): "f"},
        {"2.5": "b", "null": "c", "true": "d", "7": "e", "2020-01-01": "f"},
    ),
    "big integer": ([2**64, -(2**100), float("nan")], [2**64, -(2**100), None]),
    "lone surrogate": ({"\ud800": "a\udfffb😀"}, {"\ufffd": "a\ufffdb😀"}),
    "slow way": (
        {1: [np.array([1.0, np.nan]), np.array(["NaT"], NS), Point(math.nan, {2: 3}), Colour.RED, Level.HIGH, (1,)]},
        {"1": [[1.0, None], [None], {"x": None, "y": {"2": 3}}, "red", 3, [1]]},
    ),
}


@pytest.mark.parametrize(("value", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_write(value: Any, expected: Any) -> None:
    assert strictly(write_json(value)) == expected


def test_output_is_compact_and_exact() -> None:
    assert write_json({"a": [1, 2.5], "b": None}) == b'{"a":[1,2.5],"b":null}'
    assert write_json(0.5332668559970368) == b"0.5332668559970368"
    assert write_json(np.array([0.1 + 0.2])) == b"[0.30000000000000004]"


class Hostile(collections.abc.Mapping[Any, Any]):
    """Fails in whatever it is asked."""

    def __getitem__(self, key: Any) -> None:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


UNWRITABLE = {
    "object": (object(), "object"),
    "nested": ({"a": [1, {1: object()}]}, "object"),
    "complex": (1j, "complex"),
    "complex array": (np.array([1j]), "complex"),
    "generator": ((letter for letter in "ab"), "generator"),
    "function": (len, "builtin_function_or_method"),
    "class": (Point, "type"),
    "period": (pd.Series(pd.period_range("2020", periods=1, freq="D")), "Period"),
    "tuple key": ({(1, 2): 3}, "tuple"),
    "bytes key": ({b"a": 3}, "bytes"),
    "endless": (endless(), "contains itself"),
    "huge integer": (10**5_000, "3,000 digits"),
    "hostile": (Hostile(), "RuntimeError"),
    "twice the same column": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a'"),
    "columns that look the same": (pd.DataFrame([[1, 2]], columns=["1", 1]), "'1'"),
}


@pytest.mark.parametrize(("value", "named"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_unwritable_values_are_type_errors_that_name_them(value: Any, named: Any) -> None:
    with pytest.raises(TypeError, match=named):
        write_json(value)


def without_nan(value: Any) -> Any:
    """What a strict reader gets of `value`."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return value


@given(json_values)
def test_written_values_parse_strictly_and_are_the_same(value: Any) -> None:
    written = write_json(value)
    assert repr(strictly(written)) == repr(without_nan(value))
    assert repr(read_json(written)) == repr(without_nan(value))


any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Ll"]))
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.fractions()
    | st.complex_numbers()
    | st.floats(width=32).map(np.float32)
    | st.sampled_from([pd.NA, pd.NaT, np.datetime64("NaT"), object(), Colour.RED, Hostile()])
    | st.lists(st.floats() | st.integers(-5, 5)).map(np.array),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.none() | st.text() | st.integers() | st.floats(), inner, max_size=4)
        | st.lists(inner, max_size=3).map(lambda items: pd.Series(items, dtype=object))
    ),
    max_leaves=10,
)


@given(any_values)
def test_whatever_user_code_leaves_is_strict_json_or_a_type_error(value: Any) -> None:
    try:
        written = write_json(value)
    except TypeError:
        return
    strictly(written)


# ---------------------------------------------------------------------------------------------------------- with NaN


@given(json_values)
def test_with_nan_a_value_comes_back_as_it_was(value: Any) -> None:
    assert repr(read_json(write_json_with_nan(value))) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([1.0, np.nan]), b"[1.0,NaN]"),
        (np.array([np.inf], np.longdouble), b"[Infinity]"),
        ([np.float32("nan"), np.float64("nan"), np.int64(1), np.array(2)], b"[NaN,NaN,1,2]"),
        (pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]}), b'{"a":[1.0,NaN],"b":["x",null]}'),
        (np.array(["NaT"], NS), b"[null]"),
        ([datetime.date(2020, 1, 2), Colour.RED], b'["2020-01-02","red"]'),
        ({1: 2}, b'{"1":2}'),
    ],
    ids=repr,
)
def test_with_nan(value: Any, text: Any) -> None:
    assert write_json_with_nan(value) == text


@pytest.mark.parametrize("name", ["object", "nested", "complex", "tuple key", "huge integer", "endless"])
def test_with_nan_unwritable_values_are_type_errors(name: Any) -> None:
    with pytest.raises(TypeError):
        write_json_with_nan(UNWRITABLE[name][0])


def test_frame_columns_keep_their_order() -> None:
    frame = pd.DataFrame({"z": [1], "a": [2], "m": [3]})
    assert list(frame_columns(frame)) == ["z", "a", "m"]
