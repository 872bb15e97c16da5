"""Parameter types: JSON ⇄ what user code sees, and the JSON Schema that every form and document renders.

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

import copy
import keyword
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_deployr.protocol.errors import BadRequest, InvalidInputs
from jupyter_deployr.protocol.strict_json import frame_columns, is_missing, read_json

TYPES: tuple[str, ...] = ("logical", "numeric", "integer", "character", "vector", "matrix", "data.frame")

_ALIASES: Mapping[str, str] = {
    "string": "character",
    "str": "character",
    "float": "numeric",
    "double": "numeric",
    "int": "integer",
    "bool": "logical",
    "list": "vector",
    "array": "vector",
    "dataframe": "data.frame",
}

_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "numeric": {"type": "number"},
    "integer": {"type": "integer"},
    "logical": {"type": "boolean"},
    "character": {"type": "string"},
    "vector": {"type": "array", "items": {}},
    "matrix": {"type": "array", "items": {"type": "array", "items": {}}},
    "data.frame": {"type": "object"},
}

_EXPECTED: Mapping[str, str] = {
    "numeric": "a number",
    "integer": "a whole number",
    "logical": "true or false",
    "character": "a string",
    "vector": "a flat array",
    "matrix": "an array of equally long rows",
    "data.frame": "an object of equally long columns",
}


def canonical_type(name: Any) -> str:
    """The server's name of a parameter type; aliases such as `string` are accepted. Raises BadRequest with the list."""
    if isinstance(name, str):
        known = _ALIASES.get(name.lower(), name.lower())
        if known in TYPES:
            return known
        name = _shortened(name)
    allowed = ", ".join(TYPES)
    raise BadRequest(f"Unknown parameter type {name!r}. The types are: {allowed}.", fields=["type"])


def check_name(name: Any) -> str:
    """A parameter's name must be usable as a Python variable. Raises BadRequest."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        shown = _shortened(name) if isinstance(name, str) else name
        raise BadRequest(f"A parameter's name must be a Python variable name, not {shown!r}.", fields=["name"])
    if (written := unicodedata.normalize("NFKC", name)) != name:
        raise BadRequest(f"Python reads the parameter name {name!r} as {written!r}; write it so.", fields=["name"])
    if name.startswith("__") and name.endswith("__"):
        raise BadRequest(f"The parameter name {name!r} is Python's own; take another.", fields=["name"])
    return name


def json_schema(type_name: str) -> dict[str, Any]:
    """JSON Schema of one parameter type, as the service documents show it (`description` repeats the type's name)."""
    return {**copy.deepcopy(_SCHEMAS[type_name]), "description": type_name}


def _shortened(name: str) -> str:
    return name if len(name) <= 60 else name[:60] + "…"


class _Mismatch(Exception):
    """A value that its type doesn't take; the argument says what was wrong with it."""


def _describe(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 40 else f"a string of {len(value)} characters"
    if isinstance(value, (int, float)):
        return f"the number {value}" if abs(value) < 1e300 else "a number out of range"
    return "an array" if isinstance(value, list) else "an object"


# ---------------------------------------------------------------------------------------------------- JSON → Python


def _numeric_in(value: Any) -> float | int:
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[no-any-return]
    raise _Mismatch(_describe(value))


def _integer_in(value: Any) -> int:
    if type(value) is int:
        return value
    raise _Mismatch(_describe(value))


def _logical_in(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise _Mismatch(_describe(value))


def _character_in(value: Any) -> str:
    if type(value) is str:
        return value
    raise _Mismatch(_describe(value))


_NUMBERS = frozenset({int, float, type(None)})
_SCALARS = frozenset({int, float, type(None), bool, str})


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
        raise _Mismatch(_describe(value))
    kinds = set(map(type, value))
    if not kinds <= _SCALARS:
        raise _Mismatch("an array with arrays or objects in it")
    return _typed_array(value, kinds)


def _matrix_in(value: Any) -> np.ndarray[Any, Any]:
    if type(value) is not list:
        raise _Mismatch(_describe(value))
    if not value:
        return np.empty((0, 0), np.float64)
    if set(map(type, value)) != {list}:
        raise _Mismatch("an array whose elements are not all rows")
    lengths = set(map(len, value))
    if len(lengths) > 1:
        raise _Mismatch(f"rows of {min(lengths)} to {max(lengths)} elements")
    cells = [cell for row in value for cell in row]
    kinds = set(map(type, cells))
    if not kinds <= _SCALARS:
        raise _Mismatch("rows with arrays or objects in them")
    return _typed_array(cells, kinds).reshape(len(value), lengths.pop())


def _frame_in(value: Any) -> Any:
    import pandas

    if type(value) is list and value and set(map(type, value)) == {dict}:
        names = list(value[0])
        if any(row.keys() != value[0].keys() for row in value):
            raise _Mismatch("rows with different columns")
        value = {name: [row[name] for row in value] for name in names}
    if type(value) is not dict:
        raise _Mismatch(_describe(value))
    columns: dict[str, Any] = {}
    lengths: dict[int, str] = {}
    for name, cells in value.items():
        try:
            columns[name] = _vector_in(cells)
        except _Mismatch as fault:
            raise _Mismatch(f"a column {_shortened(name)!r} that is {fault}") from None
        lengths.setdefault(len(cells), name)
    if len(lengths) > 1:
        uneven = ", ".join(f"{_shortened(name)!r} has {length}" for length, name in list(lengths.items())[:5])
        raise _Mismatch(f"columns of different lengths ({uneven})")
    return pandas.DataFrame(columns)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "numeric": _numeric_in,
    "integer": _integer_in,
    "logical": _logical_in,
    "character": _character_in,
    "vector": _vector_in,
    "matrix": _matrix_in,
    "data.frame": _frame_in,
}


_MOST_UNKNOWN = 20  # named in one answer; a body may hold a million


class InputReader:
    """Turns request bodies of one service into the variables that its code sees."""

    def __init__(self, definitions: Iterable[tuple[str, str]]) -> None:
        """`definitions` are (name, canonical type) in the order of the service's definition."""
        self._types = dict(definitions)
        self._readers = {name: _READERS[type_name] for name, type_name in self._types.items()}

    def read(self, body: bytes | bytearray | memoryview) -> dict[str, Any]:
        """Name → value for every input. Raises BadRequest, or InvalidInputs listing all faults of the body at once.

        An input that is null counts as not given.
        """
        document = read_json(body) if body or self._types else {}
        if type(document) is not dict:
            raise BadRequest("The request body must be a JSON object that maps input names to values.")
        readers = self._readers
        if document.keys() == readers.keys():
            try:
                return {name: reader(document[name]) for name, reader in readers.items()}
            except _Mismatch:
                pass
        raise self._all_faults(document)

    def _all_faults(self, document: dict[str, Any]) -> InvalidInputs:
        faults: dict[str, str] = {}
        for name, type_name in self._types.items():
            if document.get(name) is None:
                faults[name] = f"{name} is missing: expected {type_name}, {_EXPECTED[type_name]}"
                continue
            try:
                self._readers[name](document[name])
            except _Mismatch as fault:
                faults[name] = f"{name} must be {type_name}, {_EXPECTED[type_name]}, not {fault}"
        unknown = [_shortened(name) for name in document if name not in self._types]
        inputs = ", ".join(self._types) or "none"
        for name in unknown[:_MOST_UNKNOWN]:
            faults[name] = f"{name!r} is not an input of this service (its inputs: {inputs})"
        if len(unknown) > _MOST_UNKNOWN:
            faults[unknown[-1]] = f"nor are {len(unknown) - _MOST_UNKNOWN} more names"
        return InvalidInputs("; ".join(faults.values()) + ".", fields=faults)


# ---------------------------------------------------------------------------------------------------- Python → JSON


def _is_column(value: Any) -> bool:
    """A pandas Series, Index or array, or its like in another library."""
    return hasattr(value, "dtype") and hasattr(value, "__len__") and not isinstance(value, np.generic)


def _only_element(value: Any) -> Any:
    """The element of a one-element array, list or Series, else the value itself; None for what is missing."""
    if is_missing(value):
        return None
    if isinstance(value, np.ndarray):
        if value.size != 1:
            raise _Mismatch(f"{type(value).__name__} of {value.size} elements")
        return _only_element(value[(0,) * value.ndim])
    if isinstance(value, (list, tuple)) or _is_column(value):
        if len(value) != 1:
            raise _Mismatch(f"{type(value).__name__} of {len(value)} elements")
        return _only_element(next(iter(value)))
    return value


def _shown_type(value: Any) -> str:
    return f"{type(value).__name__} {value!r}" if isinstance(value, (int, float, str)) else type(value).__name__


def _numeric_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _Mismatch(_shown_type(value)) from None


def _integer_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    if value is None:
        return None
    if isinstance(value, (int, np.integer, np.bool_)):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _Mismatch(_shown_type(value)) from None
    if number != number:
        return None
    if not number.is_integer():
        raise _Mismatch(f"{number!r}")
    return int(number)


def _logical_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float, np.number)):
        if value != value:
            return None
        if value in (0, 1):
            return bool(value)
    raise _Mismatch(_shown_type(value))


def _character_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    return value if value is None else str(value)


def _vector_out(value: Any, name: str) -> Any:
    if isinstance(value, np.ndarray):
        if max(value.shape, default=1) < value.size:
            raise _Mismatch(f"array of shape {value.shape}")
        return (np.asarray(value) if isinstance(value, np.matrix) else value).reshape(-1)
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (set, frozenset, range)):
        return list(value)
    if isinstance(value, dict) or type(value).__name__ == "DataFrame":
        raise _Mismatch(type(value).__name__)
    if value is None or _is_column(value):
        return value
    return [value]


def _matrix_out(value: Any, name: str) -> Any:
    if value is None:
        return None
    if type(value).__name__ == "DataFrame":
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        array = np.atleast_2d(value)
        if array.ndim != 2:
            raise _Mismatch(f"array of shape {value.shape}")
        return array
    if isinstance(value, (list, tuple)) and all(isinstance(row, (list, tuple, np.ndarray)) for row in value):
        if len({len(row) for row in value}) > 1:
            raise _Mismatch(f"{type(value).__name__} of rows of different lengths")
        return value
    raise _Mismatch(_shown_type(value))


def _frame_out(value: Any, name: str) -> Any:
    import pandas

    if value is None:
        return None
    if isinstance(value, pandas.Series):
        value = value.to_frame(name if value.name is None else value.name)
    if isinstance(value, pandas.DataFrame):
        try:
            return frame_columns(value)
        except TypeError as fault:
            raise _Mismatch(str(fault)) from None
    try:
        if isinstance(value, (dict, list, tuple, np.ndarray)):
            single = not isinstance(value, dict) and np.ndim(value) == 1 and not any(isinstance(x, dict) for x in value)
            return frame_columns(pandas.DataFrame(value, columns=[name] if single else None))
        return frame_columns(pandas.DataFrame({name: [value]}))
    except ValueError:
        raise _Mismatch(_shown_type(value)) from None


_WRITERS: Mapping[str, Callable[[Any, str], Any]] = {
    "numeric": _numeric_out,
    "integer": _integer_out,
    "logical": _logical_out,
    "character": _character_out,
    "vector": _vector_out,
    "matrix": _matrix_out,
    "data.frame": _frame_out,
}


class OutputError(Exception):
    """A declared output that the code didn't define, or whose value doesn't fit its type. The text says which."""


class OutputWriter:
    """Reads the declared outputs of one service out of its namespace."""

    def __init__(self, definitions: Sequence[tuple[str, str]]) -> None:
        """`definitions` are (name, canonical type) in the order of the service's definition."""
        self._writers = [(name, type_name, _WRITERS[type_name]) for name, type_name in definitions]

    def write(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        """Name → a value that `write_json` takes. Raises OutputError."""
        values = {}
        for name, type_name, writer in self._writers:
            try:
                value = namespace[name]
            except KeyError:
                raise OutputError(f"The code did not define the output {name!r}.") from None
            try:
                values[name] = writer(value, name)
            except _Mismatch as fault:
                raise OutputError(
                    f"The output {name!r} must be {type_name}, {_EXPECTED[type_name]}, but the code set it to {fault}."
                ) from None
            except Exception as fault:  # conversion calls methods of the code's own objects
                raise OutputError(
                    f"The output {name!r} could not be read as {type_name}: {type(fault).__name__}: {fault}."
                ) from None
        return values
