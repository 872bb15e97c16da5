"""JSON as it travels: read with the bare NaN and Infinity of old clients, written so that strict parsers read it."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import re
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from jupyter_deployr.protocol.characters import whole_text
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.json_limits import check_extent

# Bodies that orjson refuses but old clients send: bare NaN/Infinity tokens and numbers beyond a double's range.
_MAX_LENIENT_BYTES = 16 * 1024 * 1024
_LONGEST_64_BITS = len(str(-(2**63)))
_MEMBER = re.compile(rb'"[ \t\r\n]*:')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(body: bytes | bytearray | memoryview) -> Any:
    """Decode a request body. Raises BadRequest with the parser's reason and position.

    UTF-8 only. Bare `NaN`, `Infinity` and `-Infinity` are read as floats, as are numbers too large for a double
    (`1e400` is infinite) and whole numbers beyond 64 bits. Refused are whole numbers too large for a double, half a
    surrogate pair, and an object that names a member twice.
    """
    body = bytes(body)
    check_extent(body)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as refusal:
        document = _read_leniently(body, str(refusal))
    if _may_repeat_a_member(body, document):
        _check_members(body)
    return document


def _read_leniently(body: bytes, reason: str) -> Any:
    refusal = BadRequest(f"The request body is not valid JSON: {reason}.")
    if len(body) > _MAX_LENIENT_BYTES:
        raise refusal
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=float, parse_int=_whole_number)
        if _SURROGATE.search(body):
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # fails on half a pair
    except (ValueError, RecursionError):
        raise refusal from None
    return document


def _whole_number(digits: str) -> int | float:
    """As orjson reads it: an int of 64 bits at most, else a float."""
    if len(digits) <= _LONGEST_64_BITS and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a whole number too large for a double")
    return number


def read_exact_json(body: bytes) -> Any:
    """As `read_json`, but whole numbers stay whole up to Python's limit of 4,300 digits, and bodies with bare NaN may
    be of any size.

    For what becomes Python values as it is, such as the variables of a session; `read_json` is faster. In a thread it
    lets the others run meanwhile.
    """
    check_extent(body)
    try:
        document = json.loads(
            body.decode("utf-8"), parse_constant=float, parse_float=_float, parse_int=_int, object_pairs_hook=_once
        )
        if _SURROGATE.search(body):
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # fails on half a pair
    except UnicodeEncodeError:
        raise BadRequest("The request body holds half a surrogate pair, which is no text.") from None
    except UnicodeDecodeError as fault:
        raise BadRequest(f"The request body is not UTF-8: {fault.reason} at byte {fault.start}.") from None
    except ValueError as fault:
        reason = f"{fault}" if isinstance(fault, json.JSONDecodeError) else "a number with too many digits"
        raise BadRequest(f"The request body is not valid JSON: {reason}.") from None
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    return document


# Functions of Python, for which the parser lets other threads have their turn; of `float` and `int` it wouldn't.
def _float(text: str) -> float:
    return float(text)


def _int(text: str) -> int:
    return int(text)


def _may_repeat_a_member(body: bytes, document: Any) -> bool:
    """Whether `body` may hold more members than `document`, of which the parser keeps one per name.

    Cheap and on the safe side: members are counted in the first two levels, and in the body as colons.
    """
    if type(document) is dict and body.count(b":") == len(document):
        return False
    members = 0
    for outer in document if type(document) is list else (document,):
        if type(outer) is dict:
            members += len(outer)
            for inner in outer.values():
                if type(inner) is dict:
                    members += len(inner)
    return body.count(b":") != members and len(_MEMBER.findall(body)) != members


def _check_members(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=float)
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of one object. Raises BadRequest when two of them have one name."""
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        shown = twice if len(twice) <= 60 else twice[:60] + "…"
        raise BadRequest(f"The request body names the member {shown!r} twice in one object.")
    return members


def write_json(document: Any) -> bytes:
    """Encode `document`, compactly; NaN and the infinities become null, whatever they stand in.

    Beyond plain JSON values it takes numpy scalars and arrays (row by row), pandas Series (their values) and
    DataFrames (a map of columns, index dropped), sets, ranges, dates and durations (ISO 8601), bytes (base64),
    Decimal and paths. Half a surrogate pair becomes U+FFFD. Raises TypeError naming the type that has no JSON form.
    """
    try:
        return orjson.dumps(document, default=_plain)
    except TypeError:
        # Keys that aren't strings, integers beyond 64 bits, lone surrogates: rare, so only these pay for the slow way.
        return json.dumps(_made_plain(document), allow_nan=False, separators=(",", ":")).encode("ascii")


def write_json_with_nan(document: Any) -> bytes:
    """As `write_json`, but NaN and the infinities stay, as the bare tokens that `read_json` takes.

    For requests whose values become Python values at the other end, where null would be None.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.ndim:
            return _listed(value)
        return _plain_by_orjson(value) if isinstance(value, _KNOWN_TO_ORJSON) else _plain(value)

    try:
        return json.dumps(document, default=plain, separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError) as fault:
        raise TypeError(f"a value that has no JSON form: {fault}") from None


def frame_columns(frame: Any) -> dict[str, Any]:
    """A DataFrame as column name → values, missing values as null, the index dropped.

    Raises TypeError when two columns have one name: a JSON object can't hold both.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise TypeError(f"a DataFrame with two columns named {twice!r} has no JSON form")
    return {name: _series_values(frame.iloc[:, position]) for position, name in enumerate(names)}


def _series_values(series: Any) -> Any:
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return series.to_numpy()
    missing = series.isna().to_numpy()
    return [None if gone else value for value, gone in zip(series.tolist(), missing, strict=True)]


def _plain(value: Any) -> Any:
    """One step towards plain JSON, for what orjson doesn't know.

    orjson's own reading of arrays is used for numbers only: of missing dates it makes a date.
    """
    if isinstance(value, np.ndarray):
        if not value.ndim:
            return value[()]
        if value.dtype.kind in "fiub" and value.dtype.itemsize <= 8 and not hasattr(value, "mask"):
            native = np.ascontiguousarray(value, value.dtype.newbyteorder("="))
            return orjson.Fragment(orjson.dumps(native, option=orjson.OPT_SERIALIZE_NUMPY))
        return _listed(value)
    if isinstance(value, np.generic):
        if value.dtype.kind in "fiub" and value.dtype.itemsize <= 8:
            return value.item()
        return _listed(np.array([value]))[0]
    if isinstance(value, (set, frozenset, range)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if is_missing(value):
        return None
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            return frame_columns(value)
        if isinstance(value, (pandas.Series, pandas.Index)):
            return _series_values(value.to_series() if isinstance(value, pandas.Index) else value)
        if isinstance(value, pandas.api.extensions.ExtensionArray):
            return _series_values(pandas.Series(value))
        if isinstance(value, pandas.Timestamp):
            return value.isoformat()
    if isinstance(value, datetime.timedelta):
        from pandas import Timedelta

        return Timedelta(value).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_PLAIN_UNITS: Mapping[str, str] = {"M": "datetime64[us]", "m": "timedelta64[us]"}


def _listed(array: np.ndarray[Any, Any]) -> list[Any]:
    """An array as nested lists of Python objects."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind in _PLAIN_UNITS:
        array = array.astype(_PLAIN_UNITS[kind])  # from nanoseconds, tolist() would make bare integers
    elif kind == "f" and size > 8:
        array = array.astype(np.float64)
    listed: list[Any] = array.tolist()
    return listed


def is_missing(value: Any) -> bool:
    """Whether a scalar stands for no value: None, pandas' NA and NaT, numpy's NaT, a masked element."""
    if value is None or type(value).__name__ == "MaskedConstant":
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


_MAX_DEPTH = 250
_MAX_BITS = 10_000
# Whatever else orjson writes by itself, and its `default` function is therefore never asked for.
_KNOWN_TO_ORJSON = (datetime.datetime, datetime.date, datetime.time, enum.Enum, uuid.UUID)


def _made_plain(document: Any) -> Any:
    try:
        return _deeply_plain(document, 0)
    except TypeError:
        raise
    except Exception as fault:  # objects of user code were asked for their parts
        raise TypeError(f"a value that has no JSON form: {type(fault).__name__}: {fault}") from None


def _plain_by_orjson(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, default=_plain))


def _deeply_plain(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise TypeError("a value that is nested too deeply, or contains itself, has no JSON form")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise TypeError("an integer of more than 3,000 digits has no JSON form")
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): _deeply_plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deeply_plain(item, depth + 1) for item in value]
    if isinstance(value, np.ndarray) and value.ndim:
        return _deeply_plain(_listed(value), depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {member.name: getattr(value, member.name) for member in dataclasses.fields(value)}
        return _deeply_plain(members, depth + 1)
    if isinstance(value, _KNOWN_TO_ORJSON):
        return _plain_by_orjson(value)
    return _deeply_plain(_plain(value), depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return whole_text(key)
    if isinstance(key, (bool, np.bool_)):
        return "true" if key else "false"
    if isinstance(key, (int, float, np.generic)):
        return str(key)
    if key is None:
        return "null"
    isoformat = getattr(key, "isoformat", None)
    if isoformat is not None:
        return str(isoformat())
    raise TypeError(f"a dict key of type {type(key).__name__} has no JSON form")
