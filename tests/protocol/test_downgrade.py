"""OpenAPI 3.1 → Swagger 2.0, piece by piece."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator

from jupyter_deployr.protocol.downgrade import swagger_document

ERROR = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
JSON = "application/json"


def document(operation: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/x/{id}": {"post": {"operationId": "o", "responses": {"200": {"description": "OK"}}, **operation}}},
        "components": {
            "schemas": {"Error": {"type": "object"}, **schemas},
            "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def downgraded(operation: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    given = document(operation, **schemas)
    before = copy.deepcopy(given)
    made = swagger_document(given)
    assert given == before
    OpenAPIV2SpecValidator.schema_validator.validate(made)
    found: dict[str, Any] = made["paths"]["/x/{id}"]["post"]
    return found


NULL = {"type": "null"}
SCHEMAS = [
    ({"type": "string", "title": "Name"}, {"type": "string"}),
    ({"anyOf": [{"type": "string"}, NULL], "default": None}, {"type": "string", "x-nullable": True}),
    ({"type": ["integer", "null"], "format": "int32"}, {"type": "integer", "format": "int32", "x-nullable": True}),
    ({"type": ["integer", "string"]}, {}),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {}),
    ({"oneOf": [{"type": "string", "minLength": 1}]}, {"type": "string", "minLength": 1}),
    ({"anyOf": [{"$ref": "#/components/schemas/Error"}, NULL]}, {"$ref": "#/definitions/Error"}),
    ({"$ref": "#/components/schemas/Error", "description": "d"}, {"$ref": "#/definitions/Error"}),
    ({"const": "a"}, {"enum": ["a"]}),
    ({"type": "number", "exclusiveMinimum": 1}, {"type": "number", "minimum": 1, "exclusiveMinimum": True}),
    ({"type": "number", "exclusiveMaximum": 0}, {"type": "number", "maximum": 0, "exclusiveMaximum": True}),
    ({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"}),
    ({"type": "array"}, {"type": "array", "items": {}}),
    ({"type": "array", "prefixItems": [{"type": "string"}]}, {"type": "array", "items": {}}),
    ({"type": "string", "contentMediaType": "application/zip"}, {"type": "string", "format": "binary"}),
    ({"type": "object", "additionalProperties": True}, {"type": "object", "additionalProperties": True}),
    (
        {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, NULL]}},
        {"type": "object", "additionalProperties": {"type": "string", "x-nullable": True}},
    ),
    (
        {"type": "object", "required": ["title"], "properties": {"title": {"type": "string", "title": "Title"}}},
        {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
    ),
    (
        {"allOf": [{"$ref": "#/components/schemas/Error"}], "unevaluatedProperties": False},
        {"allOf": [{"$ref": "#/definitions/Error"}]},
    ),
    ({}, {}),
    (True, {}),
]


@pytest.mark.parametrize(("given", "expected"), SCHEMAS, ids=lambda schema: str(schema)[:60])
def test_schemas(given: Any, expected: Any) -> None:
    made = swagger_document(document({}, Model={"type": "object", "properties": {"member": given}}))
    assert made["definitions"]["Model"]["properties"]["member"] == expected
    OpenAPIV2SpecValidator.schema_validator.validate(made)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "title": "Id"}},
            {"name": "id", "in": "path", "required": True, "type": "string"},
        ),
        (
            {"name": "q", "in": "query", "description": "d", "schema": {"anyOf": [{"type": "boolean"}, NULL]}},
            {"name": "q", "in": "query", "description": "d", "required": False, "type": "boolean"},
        ),
        (
            {"name": "n", "in": "query", "schema": {"type": "integer", "default": 10, "minimum": 1}},
            {"name": "n", "in": "query", "required": False, "type": "integer", "default": 10, "minimum": 1},
        ),
    ],
    ids=["path", "optional", "bounded"],
)
def test_parameters(given: Any, expected: Any) -> None:
    assert downgraded({"parameters": [given]})["parameters"] == [expected]


def test_a_body_keeps_its_name() -> None:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    made = downgraded({"requestBody": {"required": True, "content": content, "x-name": "given"}})
    assert made["parameters"] == [
        {"name": "given", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Error"}}
    ]
    assert "consumes" not in made


def test_bytes_as_a_body() -> None:
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    made = downgraded({"requestBody": {"content": content}})
    assert made["consumes"] == ["application/octet-stream"]
    assert made["parameters"] == [
        {"name": "body", "in": "body", "required": False, "schema": {"type": "string", "format": "binary"}}
    ]


@pytest.mark.parametrize("referenced", [False, True], ids=["inline", "reference"])
def test_an_upload_is_a_form(referenced: bool) -> None:
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "required": ["file"], "properties": {"file": binary, "note": {"type": "string"}}}
    schema = {"$ref": "#/components/schemas/Body_upload"} if referenced else form
    made = downgraded(
        {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}},
        **({"Body_upload": form} if referenced else {}),
    )
    assert made["consumes"] == ["multipart/form-data"]
    assert made["parameters"] == [
        {"name": "file", "in": "formData", "required": True, "type": "file"},
        {"name": "note", "in": "formData", "required": False, "type": "string"},
    ]


def test_forms_are_no_definitions() -> None:
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    body = {"requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}}}}}
    assert "Form" not in swagger_document(document(body, Form=form))["definitions"]


def test_errors_become_the_default_response() -> None:
    made = downgraded(
        {
            "responses": {
                "201": {"description": "Created", "content": {JSON: {"schema": {"type": "string"}}}},
                "401": {"description": "Unauthorized", **ERROR},
                "404": {"description": "Not Found", **ERROR},
            }
        }
    )
    assert made["responses"] == {
        "201": {"description": "Created", "schema": {"type": "string"}},
        "default": {
            "description": "* `401` - Unauthorized\n* `404` - Not Found",
            "schema": {"$ref": "#/definitions/Error"},
        },
    }


def test_a_file_as_an_answer() -> None:
    content = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    made = downgraded({"responses": {"200": {"description": "OK", "content": content}}})
    assert made["produces"] == ["application/zip"]
    assert made["responses"]["200"] == {"description": "OK", "schema": {"type": "file"}}


def test_of_several_forms_of_an_answer_json_is_shown() -> None:
    content = {"application/x-ndjson": {"schema": {"type": "string"}}, JSON: {"schema": {"type": "object"}}}
    made = downgraded({"responses": {"200": {"description": "OK", "content": content}}})
    assert "produces" not in made, "a client that accepts both would get what it can't read"
    assert made["responses"]["200"] == {"description": "OK", "schema": {"type": "object"}}


def test_how_to_sign_in_is_left_out() -> None:
    made = swagger_document(document({"security": [{"Bearer": []}]}))
    assert "securityDefinitions" not in made
    assert "security" not in made["paths"]["/x/{id}"]["post"]
    assert list(made) == ["swagger", "info", "schemes", "consumes", "produces", "paths", "definitions"]
