"""Inputs as they are given to a version, made to fit its definition: what is missing is not given, whole is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_deployr.protocol.errors import InvalidInputs
from jupyter_deployr.protocol.models import ParameterDefinition
from jupyter_deployr.protocol.strict_json import is_missing

_FORMS = (
    "The records of a batch are a list of mappings from inputs to values, a DataFrame, or a mapping from inputs to "
    "columns of one length"
)

Definitions = Sequence[ParameterDefinition]


def fitted(definitions: Definitions, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with None for what stands for no value, and ints for whole numbers where an integer is expected.

    NaN is a number: it stands for no value except where a number is expected.
    """
    types = {str(each.name): each.type for each in definitions}
    return {name: _fitted(types.get(name), value) for name, value in inputs.items()}


def records_of(definitions: Definitions, given: Any) -> list[dict[str, Any]]:
    """The records of a batch: mappings, the rows of a DataFrame, or the rows of a mapping of columns.

    In a column NaN stands for no value, except where a number is expected that has no default. Raises InvalidInputs.
    """
    if type(given).__name__ == "DataFrame":
        names = [str(name) for name in given.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidInputs(f"The DataFrame has several columns named {twice[0]!r}.", fields=twice)
        columns = {name: given.iloc[:, position].tolist() for position, name in enumerate(names)}
        return list(_rows(definitions, columns, len(given)))
    if isinstance(given, Mapping):
        listed = {str(name): _column(str(name), values) for name, values in given.items()}
        lengths = {name: len(values) for name, values in listed.items()}
        if len(set(lengths.values())) > 1:
            uneven = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise InvalidInputs(f"{_FORMS}; these are not: {uneven}.", fields=lengths)
        return list(_rows(definitions, listed, max(lengths.values(), default=0)))
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidInputs(f"{_FORMS}, not a {type(given).__name__}.")
    return [fitted(definitions, checked(position, record)) for position, record in enumerate(given)]


def checked(position: int, record: Any) -> Mapping[str, Any]:
    """A record of a batch. Raises InvalidInputs for what isn't a mapping."""
    if not isinstance(record, Mapping):
        raise InvalidInputs(f"{_FORMS}; record {position} is a {type(record).__name__}.")
    return record


def _column(name: str, values: Any) -> list[Any]:
    if isinstance(values, (list, tuple)):
        return list(values)
    if (isinstance(values, np.ndarray) and values.ndim == 1) or type(values).__name__ in ("Series", "Index"):
        column: list[Any] = values.tolist()
        return column
    raise InvalidInputs(f"{_FORMS}; {name} is a {type(values).__name__}, no list.", fields=[name])


def _rows(definitions: Definitions, columns: Mapping[str, list[Any]], length: int) -> Iterator[dict[str, Any]]:
    known = {str(each.name): each for each in definitions}
    fits = {name: [_fitted_in_column(known.get(name), value) for value in values] for name, values in columns.items()}
    for position in range(length):
        yield {name: values[position] for name, values in fits.items()}


def _fitted_in_column(definition: ParameterDefinition | None, value: Any) -> Any:
    if definition is not None and definition.type == "numeric" and definition.default is not None and _is_nan(value):
        return None
    return _fitted(None if definition is None else definition.type, value)


def _fitted(kind: str | None, value: Any) -> Any:
    if is_missing(value) or (kind != "numeric" and _is_nan(value)):
        return None
    if kind == "integer" and isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and bool(value != value)
