"""Values of parameters: what user code receives for the JSON that was sent.

| type       | JSON                        | user code receives                                              |
|------------|-----------------------------|-----------------------------------------------------------------|
| numeric    | number                      | float (int where the number is written as one)                  |
| integer    | whole number                | int                                                             |
| logical    | true, false                 | bool                                                            |
| character  | string                      | str                                                             |
| vector     | array of scalars            | 1-D ndarray: all bool → bool, all int → int64, number or null → |
|            |                             | float64, anything else → object (never turned into strings)     |
| matrix     | array of equally long rows  | 2-D ndarray by the same rule                                    |
| data.frame | object of equally long      | pandas.DataFrame, each column by the same rule; pandas itself   |
|            | columns (or array of rows)  | gives a column of strings its string type                       |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jupyter_deployr.protocol.parameters import shortened

EXPECTED: Mapping[str, str] = {
    "numeric": "a number",
    "integer": "a whole number",
    "logical": "true or false",
    "character": "a string",
    "vector": "a flat array",
    "matrix": "an array of equally long rows",
    "data.frame": "an object of equally long columns",
}
"""What each type takes, in words."""


class Mismatch(Exception):
    """A value that its parameter doesn't take; the argument says what it is instead."""


def describe(value: Any) -> str:
    """A JSON value in a few words, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 40 else f"a string of {len(value)} characters"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "an infinity, as which a number beyond 1.8e308 is read"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 1e300 else "a whole number out of range"
    return "an array" if isinstance(value, list) else "an object"


def _numeric_in(value: Any) -> float | int:
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[no-any-return]
    raise Mismatch(describe(value))


def _integer_in(value: Any) -> int:
    if type(value) is int:
        return value
    raise Mismatch(describe(value))


def _logical_in(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Mismatch(describe(value))


def _character_in(value: Any) -> str:
    if type(value) is str:
        return value
    raise Mismatch(describe(value))


_NUMBERS = frozenset({int, float, type(None)})
SCALARS = frozenset({int, float, type(None), bool, str})


def _typed_array(items: list[Any], kinds: set[type]) -> np.ndarray[Any, Any]:
    """A 1-D array by the rule of the module's table. `kinds` are the types that occur in `items`."""
    if not kinds:
        return np.empty(0, np.float64)
    if kinds <= _NUMBERS:
        if kinds != {int}:
            return np.array(items, np.float64)
        try:
            return np.array(items, np.int64)
        except OverflowError:
            pass
    elif kinds == {bool}:
        return np.array(items, np.bool_)
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _vector_in(value: Any) -> np.ndarray[Any, Any]:
    if type(value) is not list:
        raise Mismatch(describe(value))
    kinds = set(map(type, value))
    if not kinds <= SCALARS:
        raise Mismatch("an array with arrays or objects in it")
    return _typed_array(value, kinds)


def _matrix_in(value: Any) -> np.ndarray[Any, Any]:
    if type(value) is not list:
        raise Mismatch(describe(value))
    if not value:
        return np.empty((0, 0), np.float64)
    if set(map(type, value)) != {list}:
        raise Mismatch("an array whose elements are not all rows")
    lengths = set(map(len, value))
    if len(lengths) > 1:
        raise Mismatch(f"rows of {min(lengths)} to {max(lengths)} elements")
    cells = [cell for row in value for cell in row]
    kinds = set(map(type, cells))
    if not kinds <= SCALARS:
        raise Mismatch("rows with arrays or objects in them")
    return _typed_array(cells, kinds).reshape(len(value), lengths.pop())


def frame_columns_in(value: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of a data frame, of which pandas then makes one. Raises Mismatch."""
    if type(value) is list and value and set(map(type, value)) == {dict}:
        names = list(value[0])
        if any(row.keys() != value[0].keys() for row in value):
            raise Mismatch("rows with different columns")
        value = {name: [row[name] for row in value] for name in names}
    if type(value) is not dict:
        raise Mismatch(describe(value))
    columns: dict[str, np.ndarray[Any, Any]] = {}
    lengths: dict[int, str] = {}
    for name, cells in value.items():
        try:
            columns[name] = _vector_in(cells)
        except Mismatch as fault:
            raise Mismatch(f"a column {shortened(name)!r} that is {fault}") from None
        lengths.setdefault(len(cells), name)
    if len(lengths) > 1:
        uneven = ", ".join(f"{shortened(name)!r} has {length}" for length, name in list(lengths.items())[:5])
        raise Mismatch(f"columns of different lengths ({uneven})")
    return columns


def _frame_in(value: Any) -> Any:
    import pandas

    return pandas.DataFrame(frame_columns_in(value))


READERS: Mapping[str, Callable[[Any], Any]] = {
    "numeric": _numeric_in,
    "integer": _integer_in,
    "logical": _logical_in,
    "character": _character_in,
    "vector": _vector_in,
    "matrix": _matrix_in,
    "data.frame": _frame_in,
}
"""Type → what turns JSON of it into the value that user code sees, or raises Mismatch."""
