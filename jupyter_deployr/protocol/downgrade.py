"""An OpenAPI 3.1 document as a Swagger 2.0 one, for generators of clients that know no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BODY_NAME = "x-name"
"""A request body's name, which OpenAPI 3 has no place for and Swagger 2.0 asks for."""

_JSON = "application/json"
_FORM = "multipart/form-data"
_ERROR = {"$ref": "#/definitions/Error"}

# What a Swagger 2.0 schema may say; anything else is left out.
_SCHEMA_MEMBERS = frozenset(
    {
        "additionalProperties",
        "allOf",
        "default",
        "description",
        "enum",
        "example",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "readOnly",
        "required",
        "type",
        "uniqueItems",
    }
)


def swagger_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` (OpenAPI 3.1) as Swagger 2.0; it is not changed.

    The errors of an operation become its default response, as the published description has them. How to sign in is
    left out, as there: clients send the header themselves. What 2.0 can't say (alternatives, null) becomes anything,
    or `x-nullable`.
    """
    schemas = document.get("components", {}).get("schemas", {})
    forms = _forms(document)
    return {
        "swagger": "2.0",
        "info": dict(document["info"]),
        **({"tags": list(document["tags"])} if "tags" in document else {}),
        "schemes": ["http", "https"],
        "consumes": [_JSON],
        "produces": [_JSON],
        "paths": {
            path: {method: _operation(operation, schemas) for method, operation in operations.items()}
            for path, operations in document["paths"].items()
        },
        "definitions": {name: _schema(schema) for name, schema in schemas.items() if name not in forms},
    }


def _forms(document: Mapping[str, Any]) -> set[str]:
    """The schemas that only describe forms: 2.0 has their members as parameters."""
    bodies = (
        operation.get("requestBody", {}).get("content", {}).get(_FORM, {}).get("schema", {})
        for operations in document["paths"].values()
        for operation in operations.values()
    )
    return {_named(schema) for schema in bodies if "$ref" in schema}


def _named(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"].rsplit("/", 1)[-1])


def _operation(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [_parameter(parameter) for parameter in operation.get("parameters", ())]
    consumes: dict[str, Any] = {}
    if body := operation.get("requestBody"):
        media_type, content = next(iter(body["content"].items()))
        if media_type == _FORM:
            form = content["schema"]
            parameters += _form(schemas[_named(form)] if "$ref" in form else form)
        else:
            schema = _schema(content["schema"])
            described = {"description": body["description"]} if "description" in body else {}
            name, required = body.get(BODY_NAME, "body"), body.get("required", False)
            parameters.append({"name": name, "in": "body", **described, "required": required, "schema": schema})
        if media_type != _JSON:
            consumes = {"consumes": [media_type]}
    successes = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    media_types = {media_type for answer in successes.values() for media_type in answer.get("content", ())}
    return {
        **{
            member: operation[member]
            for member in ("summary", "description", "operationId", "tags")
            if member in operation
        },
        **consumes,
        **({"produces": sorted(media_types)} if media_types and _JSON not in media_types else {}),
        "parameters": parameters,
        "responses": {
            **{status: _success(answer) for status, answer in successes.items()},
            "default": {"description": _error_lines(operation["responses"]), "schema": dict(_ERROR)},
        },
    }


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    kept = {member: parameter[member] for member in ("name", "in", "description") if member in parameter}
    schema = _schema(parameter["schema"])
    schema.pop("x-nullable", None)
    # A parameter is of a simple type; what has none travels as text.
    return {**kept, "required": parameter.get("required", False), "type": "string", **schema}


def _form(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    required = schema.get("required", ())
    for name, member in schema["properties"].items():
        kind = "file" if _is_binary(member) else "string"
        described = {"description": member["description"]} if "description" in member else {}
        yield {"name": name, "in": "formData", **described, "required": name in required, "type": kind}


def _success(answer: Mapping[str, Any]) -> dict[str, Any]:
    found = {"description": answer["description"]}
    content = answer.get("content", {})
    if _JSON in content:
        found["schema"] = _schema(content[_JSON].get("schema", {}))
    elif content:
        schema = next(iter(content.values())).get("schema", {})
        found["schema"] = {"type": "file"} if _is_binary(schema) else _schema(schema)
    return found


def _error_lines(responses: Mapping[str, Any]) -> str:
    errors = [(status, answer) for status, answer in responses.items() if not status.startswith("2")]
    return "\n".join(f"* `{status}` - {answer['description']}" for status, answer in errors) or "Error"


def _is_binary(schema: Mapping[str, Any]) -> bool:
    return schema.get("format") == "binary" or "contentMediaType" in schema


def _schema(schema: Mapping[str, Any] | bool) -> Any:
    """A JSON Schema of 2020 in what 2.0 can say."""
    if isinstance(schema, bool):
        return {}
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/definitions/")}
    alternatives = [one for one in schema.get("anyOf", schema.get("oneOf", ())) if one != {"type": "null"}]
    nullable = any(one == {"type": "null"} for one in schema.get("anyOf", schema.get("oneOf", ())))
    own = {member: value for member, value in schema.items() if member in _SCHEMA_MEMBERS}
    kind = own.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        nullable = nullable or len(kinds) < len(kind)
        own.pop("type")
        if len(kinds) == 1:
            own["type"] = kinds[0]
    if own.get("default", 0) is None:
        del own["default"]
    if "const" in schema:
        own["enum"] = [schema["const"]]
    if schema.get("examples"):
        own.setdefault("example", schema["examples"][0])
    for bound in ("Minimum", "Maximum"):
        if (limit := schema.get(f"exclusive{bound}")) is not None:
            own[bound.lower()], own[f"exclusive{bound}"] = limit, True
    if _is_binary(schema):
        own |= {"type": "string", "format": "binary"}
    for member in ("items", "additionalProperties"):
        if member in own and not isinstance(own[member], bool):
            own[member] = _schema(own[member])
    if own.get("type") == "array":
        own.setdefault("items", {})
    if "properties" in own:
        own["properties"] = {name: _schema(member) for name, member in own["properties"].items()}
    if "allOf" in own:
        own["allOf"] = [_schema(part) for part in own["allOf"]]
    if len(alternatives) == 1:
        own = {**_schema(alternatives[0]), **own}
        if "$ref" in own:
            return {"$ref": own["$ref"]}
    return {**own, "x-nullable": True} if nullable and own.keys() & {"type", "enum", "allOf"} else own
