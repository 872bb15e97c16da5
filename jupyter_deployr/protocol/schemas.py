"""JSON Schemas of parameters: what both documents of a version show, and what every form is made from.

`inputs_schema` and `outputs_schema` are JSON Schema 2020-12, as OpenAPI 3.1 has it, and say what a call takes and
answers; the server takes the same values, but for two rules that no schema can state: the rows of a matrix and the
columns of a data frame are equally long. An input that is null counts as not given, and a number written with a
fraction (3.0) is no integer here. `swagger_schema` is the looser Swagger 2.0 in its published form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_deployr.protocol.limits import ELEMENT_TYPES
from jupyter_deployr.protocol.parameters import Parameter

Schema = dict[str, Any]

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""Whole numbers beyond these are read as doubles, and so are no integers (`strict_json.read_json`)."""

_SCALARS: Mapping[str, str] = {
    "numeric": "number",
    "integer": "integer",
    "logical": "boolean",
    "character": "string",
}
_ANY_SCALAR: Schema = {"type": ["boolean", "number", "string", "null"]}
_WHOLE_BOUNDS: Schema = {"minimum": SMALLEST_INTEGER, "maximum": LARGEST_INTEGER}
_INPUT_FRAME: Schema = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": "array", "items": _ANY_SCALAR}},
        {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": _ANY_SCALAR}},
    ]
}
_OUTPUT_FRAME: Schema = {"type": "object", "additionalProperties": {"type": "array", "items": {}}}


def inputs_schema(parameters: Iterable[Parameter]) -> Schema:
    """The schema of a request body; inputs without a default are required."""
    parameters = list(parameters)
    schema: Schema = {
        "type": "object",
        "properties": {each.name: input_schema(each) for each in parameters},
        "additionalProperties": False,
    }
    required = [each.name for each in parameters if each.default is None]
    return {**schema, "required": required} if required else schema


def outputs_schema(parameters: Iterable[Parameter]) -> Schema:
    """The schema of `outputParameters` in an answer, which is empty when the code failed."""
    return {"type": "object", "properties": {each.name: output_schema(each) for each in parameters}}


def input_schema(parameter: Parameter) -> Schema:
    """The schema of one input."""
    if parameter.type == "data.frame":
        return _finished(parameter, _INPUT_FRAME, examples="examples")
    schema = _typed(parameter, _ANY_SCALAR)
    if parameter.type == "integer":
        schema = {**schema, **_WHOLE_BOUNDS, **_limits(parameter)}
    return _finished(parameter, schema, examples="examples")


def output_schema(parameter: Parameter) -> Schema:
    """The schema of one output; null stands for a missing value."""
    schema = _OUTPUT_FRAME if parameter.type == "data.frame" else _typed(parameter, {})
    return _finished(parameter, {**schema, "type": [schema["type"], "null"]}, examples="examples")


def swagger_schema(parameter: Parameter) -> Schema:
    """The Swagger 2.0 schema of one input or output."""
    schema = {"type": "object"} if parameter.type == "data.frame" else _typed(parameter, {})
    finished = _finished(parameter, schema, examples="example")
    if parameter.description is not None:
        # Clients of the product read the type's name where other documents have the text.
        finished |= {"description": parameter.type, "x-description": parameter.description}
    return finished


def _typed(parameter: Parameter, any_element: Schema) -> Schema:
    if parameter.type not in ELEMENT_TYPES:
        return {"type": _SCALARS[parameter.type], **_limits(parameter)}
    limits = _limits(parameter)
    element = {**_element_type(parameter), **limits} if limits else any_element
    row = {"type": "array", "items": element}
    return {"type": "array", "items": row} if parameter.type == "matrix" else row


def _limits(parameter: Parameter) -> Schema:
    return {member: value for member, value in parameter.details.items() if member in ("enum", "minimum", "maximum")}


def _element_type(parameter: Parameter) -> Schema:
    """The type of the elements where the limits leave but one."""
    if parameter.minimum is not None or parameter.maximum is not None:
        return {"type": "number"}
    kinds = {"boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
             for value in parameter.enum or ()}  # fmt: skip
    return {"type": kinds.pop()} if len(kinds) == 1 else {}


def _finished(parameter: Parameter, schema: Schema, examples: str) -> Schema:
    """With what is for people: the description, which is the type's name if there is none, default and example."""
    finished = {**schema, "description": parameter.description or parameter.type}
    if parameter.default is not None:
        finished["default"] = parameter.default
    if parameter.example is not None:
        finished[examples] = [parameter.example] if examples == "examples" else parameter.example
    return copy.deepcopy(finished)
