"""Outputs of calls: the variables that the code has set as JSON of the declared types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.protocol.strict_json import frame_columns, is_missing
from jupyter_deployr.protocol.values import EXPECTED, Mismatch


def _is_column(value: Any) -> bool:
    """A pandas Series, Index or array, or its like in another library."""
    return hasattr(value, "dtype") and hasattr(value, "__len__") and not isinstance(value, np.generic)


def _only_element(value: Any) -> Any:
    """The element of a one-element array, list or Series, else the value itself; None for what is missing."""
    if is_missing(value):
        return None
    if isinstance(value, np.ndarray):
        if value.size != 1:
            raise Mismatch(f"{type(value).__name__} of {value.size} elements")
        return _only_element(value[(0,) * value.ndim])
    if isinstance(value, (list, tuple)) or _is_column(value):
        if len(value) != 1:
            raise Mismatch(f"{type(value).__name__} of {len(value)} elements")
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
        raise Mismatch(_shown_type(value)) from None


def _integer_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    if value is None:
        return None
    if isinstance(value, (int, np.integer, np.bool_)):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Mismatch(_shown_type(value)) from None
    if number != number:
        return None
    if not number.is_integer():
        raise Mismatch(f"{number!r}")
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
    raise Mismatch(_shown_type(value))


def _character_out(value: Any, name: str) -> Any:
    value = _only_element(value)
    return value if value is None else str(value)


def _vector_out(value: Any, name: str) -> Any:
    if isinstance(value, np.ndarray):
        if max(value.shape, default=1) < value.size:
            raise Mismatch(f"array of shape {value.shape}")
        return (np.asarray(value) if isinstance(value, np.matrix) else value).reshape(-1)
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (set, frozenset, range)):
        return list(value)
    if isinstance(value, dict) or type(value).__name__ == "DataFrame":
        raise Mismatch(type(value).__name__)
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
            raise Mismatch(f"array of shape {value.shape}")
        return array
    if isinstance(value, (list, tuple)) and all(isinstance(row, (list, tuple, np.ndarray)) for row in value):
        if len({len(row) for row in value}) > 1:
            raise Mismatch(f"{type(value).__name__} of rows of different lengths")
        return value
    raise Mismatch(_shown_type(value))


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
            raise Mismatch(str(fault)) from None
    try:
        if isinstance(value, (dict, list, tuple, np.ndarray)):
            single = not isinstance(value, dict) and np.ndim(value) == 1 and not any(isinstance(x, dict) for x in value)
            return frame_columns(pandas.DataFrame(value, columns=[name] if single else None))
        return frame_columns(pandas.DataFrame({name: [value]}))
    except ValueError:
        raise Mismatch(_shown_type(value)) from None


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

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        """`parameters` are the outputs in the order of the service's definition."""
        self._writers = [(each.name, each.type, _WRITERS[each.type]) for each in parameters]

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
            except Mismatch as fault:
                raise OutputError(
                    f"The output {name!r} must be {type_name}, {EXPECTED[type_name]}, but the code set it to {fault}."
                ) from None
            except Exception as fault:  # conversion calls methods of the code's own objects
                raise OutputError(
                    f"The output {name!r} could not be read as {type_name}: {type(fault).__name__}: {fault}."
                ) from None
        return values
