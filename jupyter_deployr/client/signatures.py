"""The inputs of a version as the parameters of a Python function."""

from __future__ import annotations

import difflib
import inspect
import keyword
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jupyter_deployr.client.records import fitted
from jupyter_deployr.protocol.errors import InvalidInputs
from jupyter_deployr.protocol.limits import expectation
from jupyter_deployr.protocol.models import ParameterDefinition, WebService
from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.protocol.values import EXPECTED

Definitions = Sequence[ParameterDefinition]


class TypeName:
    """The name of a parameter type, which shows without quotes in a signature."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeName) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def signature(version: WebService) -> inspect.Signature:
    """The parameters in the order of the definition, with their types and defaults; what is returned is the type of
    the only output, a dict of several, or None."""
    inputs, outputs = version.input_parameter_definitions, version.output_parameter_definitions
    positional = set(_positional(inputs))
    parameters = [
        inspect.Parameter(
            str(each.name),
            inspect.Parameter.POSITIONAL_OR_KEYWORD if each.name in positional else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is None else each.default,
            annotation=TypeName(each.type or ""),
        )
        for each in inputs
        if _is_variable(each.name)  # of other servers, names of inputs may be anything
    ]
    returned: Any = dict if len(outputs) > 1 else None
    if len(outputs) == 1:
        returned = TypeName(outputs[0].type or "")
    return inspect.Signature(parameters, return_annotation=returned)


def bind(version: WebService, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Name → value of what a call gives, fitted to the definition; what is missing is not given.

    Raises InvalidInputs, which tells all faults at once.
    """
    inputs = version.input_parameter_definitions
    known = {str(each.name): each for each in inputs}
    positional = _positional(inputs)
    given = fitted(inputs, {**dict(zip(positional, args, strict=False)), **kwargs})
    given = {name: value for name, value in given.items() if value is not None}
    faults: dict[str, str] = {}
    for name in kwargs:
        if name not in known:
            faults[name] = f"{name!r} is not an input{_near(name, known)}"
    for name in positional[: len(args)]:
        if name in kwargs:
            faults[name] = f"{name} is given twice, by position and by name"
    for name, each in known.items():
        if name not in given and each.default is None:
            faults[name] = f"{name} is missing: expected {described(each)}"
    if len(args) > len(positional):
        faults[""] = f"at most {len(positional)} inputs can be given by position, not {len(args)}"
    if faults:
        inputs_line = ", ".join(known) or "none"
        raise InvalidInputs(
            f"{version.name} {version.version}: {'; '.join(faults.values())} (its inputs: {inputs_line}).",
            fields=filter(None, faults),
        )
    return given


def documentation(version: WebService, address: str) -> str:
    """What `help` says: the call, the description, every input and output, and the HTTP request it stands for."""
    parts = [f"{version.name}{signature(version)}"]
    if version.description:
        parts.append(version.description.strip())
    parts += _section("Inputs", version.input_parameter_definitions)
    parts += _section("Outputs", version.output_parameter_definitions)
    published = f"Version {version.version}"
    if version.version_published_by:
        published += f", published by {version.version_published_by}"
    parts.append(f"{published}. Stands for POST {address}.")
    if version.broken:
        parts.append(f"It is broken: {version.broken}")
    return "\n\n".join(parts)


def described(definition: ParameterDefinition) -> str:
    """Type and expectation in words, such as `integer, a whole number from 1 to 10`."""
    if definition.type is None or definition.type not in EXPECTED:
        return definition.type or "a value"
    enum = None if definition.enum is None else tuple(definition.enum)
    limits = Parameter(
        str(definition.name), definition.type, enum=enum, minimum=definition.minimum, maximum=definition.maximum
    )
    return f"{definition.type}, {expectation(limits)}"


def _section(heading: str, definitions: Iterable[ParameterDefinition]) -> list[str]:
    lines: list[str] = []
    for each in definitions:
        default = "" if each.default is None else f"; default {each.default!r}"
        example = "" if each.example is None else f"; example {each.example!r}"
        lines.append(f"    {each.name}: {described(each)}{default}{example}")
        lines += [f"        {line}" for line in (each.description or "").splitlines()]
    return ["\n".join([f"{heading}:", *lines])] if lines else []


def _positional(inputs: Definitions) -> list[str]:
    """The inputs that can be given by position: up to a required one that comes behind one with a default."""
    names: list[str] = []
    optional = False
    for each in inputs:
        if optional and each.default is None:
            break
        optional = optional or each.default is not None
        names.append(str(each.name))
    return names


def _is_variable(name: str | None) -> bool:
    return name is not None and name.isidentifier() and not keyword.iskeyword(name)


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
