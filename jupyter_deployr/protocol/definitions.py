"""Definitions of parameters as they are published: each member checked, and all faults told at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.limits import (
    ELEMENT_TYPES,
    LIMITED_TYPES,
    NUMBER_TYPES,
    expectation,
    identity,
    limited_reader,
)
from jupyter_deployr.protocol.models import ParameterDefinition
from jupyter_deployr.protocol.parameters import DETAILS, Parameter, Parameters, canonical_type, check_name
from jupyter_deployr.protocol.strict_json import read_json, write_json_with_nan
from jupyter_deployr.protocol.values import Mismatch, describe, frame_columns_in

INPUTS, OUTPUTS = "inputParameterDefinitions", "outputParameterDefinitions"

MAX_DETAIL_BYTES = 64 * 1024
"""How large the details of all inputs, or of all outputs, of a version may be together, as JSON."""

_OUTPUT_DETAILS = ("description", "example")
_MOST_FAULTS = 20  # told in one answer


def checked_parameters(
    inputs: Sequence[ParameterDefinition] | None, outputs: Sequence[ParameterDefinition] | None
) -> tuple[Parameters | None, Parameters | None]:
    """The parameters that a request defines; None for a list that it doesn't give.

    Raises BadRequest with all faults of both lists, whose `fields` are `inputParameterDefinitions.x.minimum` and its
    like.
    """
    faults = _Faults()
    found = tuple(
        None if definitions is None else _DefinitionList(where, faults).parameters(definitions)
        for where, definitions in ((INPUTS, inputs), (OUTPUTS, outputs))
    )
    faults.raise_any()
    return found[0], found[1]


class _Faults:
    """The faults of one request, by the member that is at fault."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def add(self, field: str, text: str) -> None:
        """The first fault of a member counts."""
        self._texts.setdefault(field, text.rstrip("."))

    def raise_any(self) -> None:
        """Raises BadRequest unless there are none."""
        if self._texts:
            told = list(self._texts)[:_MOST_FAULTS]
            sentences = [f"{field}: {self._texts[field]}" for field in told]
            more = len(self._texts) - len(told)
            end = f"; and {more} more faults." if more else "."
            raise BadRequest("; ".join(sentences) + end, fields=told)


class _DefinitionList:
    """The inputs, or the outputs, of one request."""

    def __init__(self, where: str, faults: _Faults) -> None:
        self._where = where
        self._faults = faults

    def parameters(self, definitions: Sequence[ParameterDefinition]) -> Parameters:
        found: dict[str, Parameter] = {}
        for position, definition in enumerate(definitions):
            bare = self._bare(position, definition)
            if bare is None:
                continue
            if bare.name in found:
                self._faults.add(f"{self._where}.{bare.name}", "it is defined twice")
                continue
            found[bare.name] = self._with_details(bare, definition)
        size = sum(len(json.dumps(parameter.details)) for parameter in found.values() if parameter.details)
        if size > MAX_DETAIL_BYTES:
            text = f"descriptions, defaults and the like take {size:,} bytes; {MAX_DETAIL_BYTES:,} are allowed"
            self._faults.add(self._where, text)
        return tuple(found.values())

    def _bare(self, position: int, definition: ParameterDefinition) -> Parameter | None:
        """Name and type alone; None when one of them is at fault."""
        where = f"{self._where}.{position}"
        name = kind = None
        try:
            name = check_name(definition.name)
            where = f"{self._where}.{name}"
        except BadRequest as fault:
            self._faults.add(f"{where}.name", str(fault))
        try:
            kind = canonical_type(definition.type)
        except BadRequest as fault:
            self._faults.add(f"{where}.type", str(fault))
        return None if name is None or kind is None else Parameter(name, kind)

    def _with_details(self, bare: Parameter, definition: ParameterDefinition) -> Parameter:
        """With the details that are right. The limits come first: default and example must be within them."""
        given: dict[str, Any] = {}
        for member in DETAILS:
            value = getattr(definition, member)
            if value is None:
                continue
            if self._where == OUTPUTS and member not in _OUTPUT_DETAILS:
                self._fault(bare, member, f"an output may have {' and '.join(_OUTPUT_DETAILS)}, but no {member}")
                continue
            try:
                given[member] = _plain(value)
            except Mismatch as fault:
                self._fault(bare, member, str(fault))
        parameter = replace(bare, description=given.get("description"))
        parameter = self._with_bounds(parameter, given)
        parameter = self._with_enum(parameter, given)
        for member in ("default", "example"):
            if member in given:
                try:
                    _check_value(parameter, given[member])
                except Mismatch as fault:
                    self._fault(bare, member, f"must be {parameter.type}, {expectation(parameter)}, not {fault}")
        return replace(parameter, default=given.get("default"), example=given.get("example"))

    def _fault(self, parameter: Parameter, member: str, text: str) -> None:
        self._faults.add(f"{self._where}.{parameter.name}.{member}", text)

    def _with_bounds(self, parameter: Parameter, given: dict[str, Any]) -> Parameter:
        bounds: dict[str, int | float] = {}
        for member in ("minimum", "maximum"):
            if member not in given:
                continue
            value = given[member]
            if parameter.type not in (*NUMBER_TYPES, *ELEMENT_TYPES):
                types = ", ".join((*NUMBER_TYPES, *ELEMENT_TYPES))
                self._fault(parameter, member, f"{parameter.type} has none; only {types} have")
            elif type(value) is not int and (type(value) is not float or parameter.type == "integer"):
                kind = "a whole number" if parameter.type == "integer" else "a number"
                self._fault(parameter, member, f"must be {kind}, not {describe(value)}")
            else:
                bounds[member] = value
        if len(bounds) == 2 and bounds["minimum"] > bounds["maximum"]:
            self._fault(parameter, "minimum", f"{bounds['minimum']} is above the maximum, {bounds['maximum']}")
            return parameter
        return replace(parameter, minimum=bounds.get("minimum"), maximum=bounds.get("maximum"))

    def _with_enum(self, parameter: Parameter, given: dict[str, Any]) -> Parameter:
        if "enum" not in given:
            return parameter
        values: list[Any] = given["enum"]
        if parameter.type not in LIMITED_TYPES:
            self._fault(parameter, "enum", f"{parameter.type} has none; only {', '.join(LIMITED_TYPES)} have")
            return parameter
        if not values:
            self._fault(parameter, "enum", "must not be empty: no value could be sent")
            return parameter
        for position, value in enumerate(values):
            try:
                _check_choice(parameter, value)
            except Mismatch as fault:
                self._fault(parameter, "enum", f"its value {position}, counted from 0, {fault}")
                return parameter
        if len(set(map(identity, values))) < len(values):
            self._fault(parameter, "enum", "must not have a value twice")
            return parameter
        return replace(parameter, enum=tuple(values))


def _plain(value: Any) -> Any:
    """`value` as a call would send it. Raises Mismatch for what is no JSON, or no JSON of every reader."""
    try:
        plain = read_json(write_json_with_nan(value))
        json.dumps(plain, allow_nan=False)
    except ValueError:
        raise Mismatch("must not hold NaN or an infinity; null is a missing element") from None
    except (TypeError, BadRequest) as fault:
        raise Mismatch(f"can't be sent as JSON: {fault}") from None
    return plain


def _check_value(parameter: Parameter, value: Any) -> None:
    """Raises Mismatch for a value that a call couldn't give; a data frame is not made for it."""
    read = frame_columns_in if parameter.type == "data.frame" else limited_reader(parameter)
    read(value)


def _check_choice(parameter: Parameter, value: Any) -> None:
    """Raises Mismatch for what can't be a value of `parameter`, or for a vector or matrix an element of one."""
    if parameter.type not in ELEMENT_TYPES:
        try:
            limited_reader(parameter)(value)
        except Mismatch as fault:
            raise Mismatch(f"must be {parameter.type}, {expectation(parameter)}, not {fault}") from None
    elif type(value) not in (bool, int, float, str):
        raise Mismatch(f"must be a number, a string, true or false, not {describe(value)}")
    else:
        element = replace(parameter, type="vector")
        try:
            limited_reader(element)([value])
        except Mismatch:
            raise Mismatch(f"is beyond {expectation(element)}: {describe(value)}") from None
