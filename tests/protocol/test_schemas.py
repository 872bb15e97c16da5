"""The JSON Schemas of parameters: their shapes, and that they say of every value what the reader of inputs says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_deployr.protocol.definitions import checked_parameters
from jupyter_deployr.protocol.errors import BadRequest, InvalidInputs
from jupyter_deployr.protocol.inputs import InputReader
from jupyter_deployr.protocol.models import ParameterDefinition
from jupyter_deployr.protocol.outputs import OutputError, OutputWriter
from jupyter_deployr.protocol.parameters import TYPES, Parameter
from jupyter_deployr.protocol.schemas import (
    input_schema,
    inputs_schema,
    output_schema,
    outputs_schema,
    swagger_schema,
)
from jupyter_deployr.protocol.strict_json import read_json, write_json
from jupyter_deployr.protocol.values import READERS
from tests.protocol.spoiling import spoil

# A number that is written with a fraction is no integer here, although JSON Schema has it that 3.0 is one.
WHOLE = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=WHOLE)

SCALAR = {"type": ["boolean", "number", "string", "null"]}
ROWS = {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": SCALAR}}
COLUMNS = {"type": "object", "additionalProperties": {"type": "array", "items": SCALAR}}

# parameter, as an input, in Swagger 2.0
SHAPES: list[tuple[Parameter, dict[str, Any], dict[str, Any]]] = [
    (Parameter("x", "numeric"), {"type": "number"}, {"type": "number"}),
    (
        Parameter("x", "integer"),
        {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1},
        {"type": "integer"},
    ),
    (
        Parameter("x", "integer", maximum=9),
        {"type": "integer", "minimum": -(2**63), "maximum": 9},
        {"type": "integer", "maximum": 9},
    ),
    (Parameter("x", "logical"), {"type": "boolean"}, {"type": "boolean"}),
    (Parameter("x", "character"), {"type": "string"}, {"type": "string"}),
    (Parameter("x", "vector"), {"type": "array", "items": SCALAR}, {"type": "array", "items": {}}),
    (
        Parameter("x", "matrix"),
        {"type": "array", "items": {"type": "array", "items": SCALAR}},
        {"type": "array", "items": {"type": "array", "items": {}}},
    ),
    (Parameter("x", "data.frame"), {"anyOf": [COLUMNS, ROWS]}, {"type": "object"}),
    (
        Parameter("x", "integer", minimum=1, maximum=9),
        {"type": "integer", "minimum": 1, "maximum": 9},
        {"type": "integer", "minimum": 1, "maximum": 9},
    ),
    (
        Parameter("x", "character", enum=("a", "b")),
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "enum": ["a", "b"]},
    ),
    (
        Parameter("x", "vector", minimum=0),
        {"type": "array", "items": {"type": "number", "minimum": 0}},
        {"type": "array", "items": {"type": "number", "minimum": 0}},
    ),
    (
        Parameter("x", "matrix", enum=("a", 1)),
        {"type": "array", "items": {"type": "array", "items": {"enum": ["a", 1]}}},
        {"type": "array", "items": {"type": "array", "items": {"enum": ["a", 1]}}},
    ),
    (
        Parameter("x", "vector", enum=(True,)),
        {"type": "array", "items": {"type": "boolean", "enum": [True]}},
        {"type": "array", "items": {"type": "boolean", "enum": [True]}},
    ),
]


@pytest.mark.parametrize(("parameter", "as_input", "in_swagger"), SHAPES, ids=lambda each: str(each)[:70])
def test_shapes(parameter: Any, as_input: Any, in_swagger: Any) -> None:
    assert input_schema(parameter) == {**as_input, "description": parameter.type}
    assert swagger_schema(parameter) == {**in_swagger, "description": parameter.type}


def test_what_is_for_people() -> None:
    parameter = Parameter("x", "vector", "lengths", default=[], example=[1])
    assert input_schema(parameter) == {
        "type": "array",
        "items": SCALAR,
        "description": "lengths",
        "default": [],
        "examples": [[1]],
    }
    # Clients of the product read the type's name there.
    assert swagger_schema(parameter) == {
        "type": "array",
        "items": {},
        "description": "vector",
        "x-description": "lengths",
        "default": [],
        "example": [1],
    }
    assert output_schema(Parameter("y", "integer", "all", example=3)) == {
        "type": ["integer", "null"],
        "description": "all",
        "examples": [3],
    }


def test_inputs_without_a_default_are_required() -> None:
    schema = inputs_schema([Parameter("a", "numeric"), Parameter("b", "logical", default=False)])
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == ["a", "b"]
    assert "required" not in inputs_schema([Parameter("b", "logical", default=False)])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("render", [input_schema, output_schema, swagger_schema])
def test_schemas_are_made_anew(render: Any, kind: Any) -> None:
    parameter = Parameter("x", kind, default={"a": [1]}, example=[1], enum=None)
    before = json.dumps(render(parameter))
    spoil(render(parameter))
    assert json.dumps(render(parameter)) == before


# ------------------------------------------------------------------------------------------- reader and schema agree

numbers = st.integers(-5, 5) | st.floats(-5, 5) | st.integers(2**53 - 1, 2**53 + 2) | st.sampled_from([2**63, 2**64])
texts = st.sampled_from(["", "a", "b", "ä", "1", "true"])
scalars = st.none() | st.booleans() | numbers | texts
rows = st.integers(0, 3).flatmap(
    lambda width: st.lists(st.lists(scalars | numbers, min_size=width, max_size=width), max_size=3)
)
columns = st.integers(0, 3).flatmap(
    lambda height: st.dictionaries(texts, st.lists(scalars, min_size=height, max_size=height), max_size=3)
)
records = st.lists(texts, unique=True, max_size=3).flatmap(
    lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, scalars)), max_size=3)
)
OF_TYPE: dict[str, Any] = {
    "numeric": numbers,
    "integer": st.integers(-5, 5) | st.integers(2**53 - 1, 2**53 + 2),
    "logical": st.booleans(),
    "character": texts,
    "vector": st.lists(numbers, max_size=4)
    | st.lists(texts | st.booleans(), max_size=4)
    | st.lists(scalars, max_size=4),
    "matrix": rows,
    "data.frame": columns | records,
}
ELEMENT: dict[str, Any] = {**OF_TYPE, "vector": numbers | texts | st.booleans(), "matrix": numbers | texts}
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@st.composite
def definitions(draw: Any, name: str) -> ParameterDefinition:
    """A definition that can be published, with whatever limits its type can have."""
    kind = draw(st.sampled_from(TYPES))
    made = ParameterDefinition(name, kind)
    if kind in ("numeric", "integer", "vector", "matrix") and draw(st.booleans()):
        bound = OF_TYPE["integer"] if kind == "integer" else numbers
        made.minimum, made.maximum = sorted((draw(bound), draw(bound)))
        if draw(st.booleans()):
            made.minimum = None
        elif draw(st.booleans()):
            made.maximum = None
    if kind != "data.frame" and draw(st.booleans()):
        choices = draw(st.lists(ELEMENT[kind], max_size=4, unique_by=lambda value: (type(value) is bool, value)))
        made.enum = [value for value in choices if publishable(made, enum=[value])] or None
    for member in ("default", "example"):
        if draw(st.booleans()):
            value = draw(OF_TYPE[kind])
            if publishable(made, **{member: value}):
                setattr(made, member, value)
    return made


def publishable(made: ParameterDefinition, **members: Any) -> bool:
    """Whether the schema of what is made so far takes the members; definitions are never tried out on the reader."""
    known = Parameter(made.name or "", made.type or "", minimum=made.minimum, maximum=made.maximum)
    if made.enum is not None:
        known = Parameter(known.name, known.type, None, None, tuple(made.enum), known.minimum, known.maximum)
    (value,) = members.values()
    if "enum" not in members:
        return value is not None and agrees(known, decoded(value))
    element = input_schema(known)
    for _ in range({"vector": 1, "matrix": 2}.get(known.type, 0)):
        element = element["items"]
    return bool(Validator(element).is_valid(decoded(value[0]))) and value[0] is not None


def decoded(value: Any) -> Any:
    return read_json(json.dumps(value).encode())


def agrees(parameter: Parameter, value: Any) -> bool:
    """Valid by the schema, and by the two rules that a schema can't state."""
    return bool(Validator(input_schema(parameter)).is_valid(value)) and is_even(parameter.type, value)


def is_even(kind: str, value: Any) -> bool:
    """Whether the rows of a matrix, or the columns of a data frame, are equally long."""
    if kind == "matrix":
        return len({len(row) for row in value}) <= 1
    if kind == "data.frame":
        return len({len(part) for part in (value.values() if isinstance(value, dict) else [])}) <= 1 and (
            isinstance(value, dict) or all(row.keys() == value[0].keys() for row in value)
        )
    return True


@st.composite
def calls(draw: Any) -> tuple[list[ParameterDefinition], dict[str, Any]]:
    """Definitions of up to three inputs, and a body that mostly fits them."""
    made = [draw(definitions(name)) for name in draw(st.sampled_from([["x"], ["x", "y"], ["x", "y", "z"]]))]
    body: dict[str, Any] = {}
    for each in made:
        choices = [OF_TYPE[each.type or ""], anything, st.none()]
        for limit in (each.enum or [], [each.minimum, each.maximum], [each.default, each.example]):
            given_limits = [value for value in limit if value is not None]
            if given_limits:
                near = st.sampled_from(given_limits)
                choices += {"vector": [st.lists(near, max_size=3)], "matrix": [st.lists(st.tuples(near))]}.get(
                    each.type or "", [near]
                )
        if draw(st.integers(0, 4)):
            body[each.name or ""] = draw(st.one_of(choices))
    if not draw(st.integers(0, 9)):
        body["other"] = draw(anything)
    return made, body


@given(calls())
@example(([ParameterDefinition("x", "vector", enum=[1])], {"x": [True]}))
@example(([ParameterDefinition("x", "integer", minimum=1)], {"x": 1.0}))
@example(([ParameterDefinition("x", "vector", maximum=2**53)], {"x": [0.5, 2**53 + 1]}))
@example(([ParameterDefinition("x", "vector", maximum=1)], {"x": [None]}))
@example(([ParameterDefinition("x", "logical", default=False)], {"x": None}))
def test_a_body_is_read_when_and_only_when_the_schema_takes_it(call: Any) -> None:
    made, body = call
    parameters, _ = checked_parameters(made, None)
    assert parameters is not None
    sent = decoded(body)
    # An input that is null counts as not given.
    inputs = [each.name for each in parameters]
    instance = {name: value for name, value in sent.items() if value is not None or name not in inputs}
    fits = Validator(inputs_schema(parameters)).is_valid(instance) and all(
        is_even(each.type, instance[each.name]) for each in parameters if each.name in instance
    )
    try:
        found = InputReader(parameters).read(json.dumps(body).encode())
    except InvalidInputs:
        assert not fits
        return
    assert fits
    for each in parameters:
        value = instance.get(each.name, each.default)
        assert repr(found[each.name]) == repr(READERS[each.type](value))
        if not (each.type == "data.frame" and isinstance(value, list)):
            assert jsonschema.Draft4Validator(swagger_schema(each)).is_valid(value)


@given(calls())
def test_documents_show_values_that_their_schemas_take(call: Any) -> None:
    parameters, _ = checked_parameters(call[0], None)
    assert parameters is not None
    for each in parameters:
        schema = input_schema(each)
        Validator.check_schema(schema)
        for value in [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])]:
            assert agrees(each, value)


@given(st.sampled_from(TYPES), anything)
def test_answers_fit_the_schema_of_the_outputs(kind: Any, value: Any) -> None:
    parameters = [Parameter("y", kind)]
    try:
        values = OutputWriter(parameters).write({"y": value})
    except OutputError:
        return
    assert Validator(outputs_schema(parameters)).is_valid(json.loads(write_json(values)))


@pytest.mark.parametrize(
    "number", [2**53 + 1, 2**63, 2**64 - 1, 2**64, 2**70, -(2**63), -(2**63) - 1, -(2**70), 10**400]
)
def test_the_schema_takes_the_whole_numbers_that_a_call_may_send(number: int) -> None:
    """As the sender's validator sees them, before anything has made a double of them."""
    parameter = Parameter("x", "integer")
    fits = Validator(input_schema(parameter)).is_valid(number)
    try:
        assert InputReader([parameter]).read(b'{"x": %d}' % number) == {"x": number}
    except BadRequest:
        assert not fits
    else:
        assert fits
