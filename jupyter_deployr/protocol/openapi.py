"""The OpenAPI 3.1 document of one service version: the operations of its Swagger document, and what that can't say.

Which inputs are required and what else a call is checked for, which members may be null, and which errors there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from jupyter_deployr.protocol.schemas import inputs_schema, outputs_schema
from jupyter_deployr.protocol.swagger import CONSUME_OPERATION, ServiceDescription, service_document

Document = dict[str, Any]

_ACCOUNT_ERRORS = (400, 401, 413, 415, 429, 500, 503, 507)
_SERVICE_ERRORS = (400, 401, 404, 413, 415, 500, 503, 507)
_RUN_ERRORS = (502, 504)
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def service_openapi(service: ServiceDescription) -> Document:
    """The document that `GET /api/{name}/{version}/openapi.json` answers; the caller may change it, it is made anew."""
    swagger = service_document(service)
    runs = {service.operation_id or CONSUME_OPERATION, "StartBatchExecution"}
    return {
        "openapi": "3.1.0",
        "info": swagger["info"],
        "tags": swagger["tags"],
        "paths": {
            path: {method: _operation(operation, runs) for method, operation in operations.items()}
            for path, operations in swagger["paths"].items()
        },
        "components": {
            "schemas": _schemas(service, swagger["definitions"]),
            "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Mapping[str, Any], runs: set[str]) -> Document:
    parameters = []
    body: Document = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "body":
            content = {"application/json": {"schema": _moved(parameter["schema"])}}
            described = {"description": parameter["description"]} if "description" in parameter else {}
            body = {"requestBody": {**described, "required": parameter["required"], "content": content}}
        else:
            own = {name: parameter[name] for name in ("name", "in", "description", "required")}
            schema = {name: value for name, value in parameter.items() if name not in own}
            parameters.append({**own, "schema": schema})
    errors = [*(_SERVICE_ERRORS if "security" in operation else _ACCOUNT_ERRORS)]
    if operation["operationId"] in runs:
        errors += _RUN_ERRORS
    kept = ("summary", "description", "operationId", "tags", "security")
    return {
        **{member: operation[member] for member in kept if member in operation},
        **({"parameters": parameters} if parameters else {}),
        **body,
        "responses": {
            **{status: _success(answer) for status, answer in operation["responses"].items() if status.startswith("2")},
            **{str(status): _error(status) for status in errors},
        },
    }


def _success(answer: Mapping[str, Any]) -> Document:
    schema = answer["schema"]
    content = _BINARY if schema == {"type": "file"} else {"application/json": {"schema": _moved(schema)}}
    return {"description": answer["description"], "content": content}


def _error(status: int) -> Document:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _schemas(service: ServiceDescription, definitions: Mapping[str, Document]) -> Document:
    """The definitions, with what 2.0 had no words for."""
    schemas = {name: _moved(schema) for name, schema in definitions.items()}
    schemas["InputParameters"] = inputs_schema(service.inputs)
    schemas["OutputParameters"] = outputs_schema(service.outputs)
    schemas["Error"] = {
        "type": "object",
        "required": ["message", "code", "link", "exceptionType", "fields"],
        "properties": {
            "message": {"type": "string", "description": "What was wrong and what to do, for a person."},
            "code": {"type": "integer", "description": "The HTTP status."},
            "link": {"type": "string"},
            "exceptionType": {"type": "string", "description": "The kind of error, for a program."},
            "fields": {"type": "string", "description": "The members of the request at fault, separated by commas."},
        },
    }
    result = schemas["WebServiceResult"]
    result["required"] = list(result["properties"])
    if "outputFiles" in result["properties"]:
        result["properties"]["outputFiles"]["additionalProperties"] = {
            "type": ["string", "null"],
            "contentEncoding": "base64",
            "description": "The content, or null if the code didn't write the file.",
        }
    for name, members in (
        ("LoginRequest", ["username", "password"]),
        ("RenewTokenRequest", ["refreshToken"]),
        ("StartBatchExecutionResponse", ["batchExecutionId"]),
    ):
        schemas[name]["required"] = members
    # The revocation answers with the same members, null.
    tokens = schemas["AccessTokenResponse"]["properties"]
    tokens |= {name: {"type": ["string", "null"]} for name in tokens} | {"expires_in": {"type": ["integer", "null"]}}
    return schemas


def _moved(node: Any) -> Any:
    """With references to where 3.1 keeps schemas."""
    if isinstance(node, dict):
        return {
            name: value.replace("#/definitions/", "#/components/schemas/") if name == "$ref" else _moved(value)
            for name, value in node.items()
        }
    return [_moved(part) for part in node] if isinstance(node, list) else node
