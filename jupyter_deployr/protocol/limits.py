"""Limits of parameters: the `enum`, `minimum` and `maximum` of a definition, in words and as a reader of values.

Of a numeric, integer, logical or character input they speak of the value, of a vector or matrix of each element. An
element of a vector with a minimum or a maximum is a number, so neither null nor NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_deployr.protocol.parameters import Parameter, shortened
from jupyter_deployr.protocol.values import EXPECTED, READERS, Mismatch, describe

NUMBER_TYPES: tuple[str, ...] = ("numeric", "integer")
"""Types whose values have a size, to which `minimum` and `maximum` can be given."""

ELEMENT_TYPES: tuple[str, ...] = ("vector", "matrix")
"""Types whose limits speak of each element."""

LIMITED_TYPES: tuple[str, ...] = (*NUMBER_TYPES, "logical", "character", *ELEMENT_TYPES)
"""Types that can have an `enum`."""

Reader = Callable[[Any], Any]
_Test = Callable[[Any], bool]

_MOST_SHOWN = 10  # values of an enum in a message


def is_limited(parameter: Parameter) -> bool:
    """Whether not every value of the parameter's type is taken."""
    return (parameter.enum, parameter.minimum, parameter.maximum) != (None, None, None)


def expectation(parameter: Parameter) -> str:
    """What is expected, in words: `a whole number from 1 to 10`."""
    expected = EXPECTED[parameter.type]
    if not is_limited(parameter):
        return expected
    bounds = _bounds_in_words(parameter)
    values = "" if parameter.enum is None else f"one of {_listed(parameter.enum)}"
    if parameter.type in ELEMENT_TYPES:
        elements = " and ".join(part for part in (f"numbers {bounds}" if bounds else "", values) if part)
        return f"{expected}, its elements {elements}"
    return ", ".join(part for part in (f"{expected} {bounds}" if bounds else expected, values) if part)


def _bounds_in_words(parameter: Parameter) -> str:
    if parameter.minimum is None:
        return "" if parameter.maximum is None else f"of at most {parameter.maximum}"
    if parameter.maximum is None:
        return f"of at least {parameter.minimum}"
    return f"from {parameter.minimum} to {parameter.maximum}"


def _listed(values: Sequence[Any]) -> str:
    shown = [json.dumps(shortened(value) if isinstance(value, str) else value, ensure_ascii=False) for value in values]
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown) if more <= 0 else f"{', '.join(shown[:_MOST_SHOWN])} and {more} more"


def identity(scalar: Any) -> tuple[bool, Any]:
    """What two JSON scalars share when they are the same value: 1 and 1.0 are, 1 and true are not."""
    return isinstance(scalar, bool), scalar


def limited_reader(parameter: Parameter) -> Reader:
    """The reader of the parameter's type, which raises Mismatch for values beyond its limits as well."""
    read = READERS[parameter.type]
    if not is_limited(parameter):
        return read
    allows = _test(parameter)
    check = _CHECKS.get(parameter.type, _check_scalar)

    def read_within_limits(value: Any) -> Any:
        found = read(value)
        check(value, allows)
        return found

    return read_within_limits


def _test(parameter: Parameter) -> _Test:
    """Whether a JSON scalar is within the limits."""
    tests: list[_Test] = []
    if parameter.minimum is not None or parameter.maximum is not None:
        low = -math.inf if parameter.minimum is None else parameter.minimum
        high = math.inf if parameter.maximum is None else parameter.maximum

        def within(value: Any) -> bool:
            return type(value) in (int, float) and low <= value <= high

        tests.append(within)
    if parameter.enum is not None:
        values = frozenset(map(identity, parameter.enum))

        def listed(value: Any) -> bool:
            return identity(value) in values

        tests.append(listed)
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _check_scalar(value: Any, allows: _Test) -> None:
    if not allows(value):
        raise Mismatch(describe(value))


def _check_vector(elements: list[Any], allows: _Test) -> None:
    if not all(map(allows, elements)):
        position, element = next((at, each) for at, each in enumerate(elements) if not allows(each))
        raise Mismatch(f"an array whose element {position}, counted from 0, is {describe(element)}")


def _check_matrix(rows: list[list[Any]], allows: _Test) -> None:
    for position, row in enumerate(rows):
        if not all(map(allows, row)):
            cell = next(each for each in row if not allows(each))
            raise Mismatch(f"an array whose row {position}, counted from 0, has {describe(cell)} in it")


_CHECKS: Mapping[str, Callable[[Any, _Test], None]] = {"vector": _check_vector, "matrix": _check_matrix}
