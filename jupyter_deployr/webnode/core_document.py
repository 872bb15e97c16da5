"""The documents of the core API, written from the routes themselves, so that they say what the server checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic.alias_generators import to_camel

from jupyter_deployr.protocol.downgrade import BODY_NAME, swagger_document

API_VERSION = "9.3.0"
"""The version of Machine Learning Server whose API this is."""

_DESCRIPTION = (
    "The REST API of Microsoft Machine Learning Server (formerly R Server, DeployR): publish Python code as versioned "
    "web services, manage and call them, and work in remote sessions. Sign in with `login` and send its access token "
    "with every other request, as `Authorization: Bearer <access_token>`."
)
_TAGS = {
    "Authentication APIs": "Tokens in exchange for a password or a refresh token.",
    "Services Management APIs": "Publish, list, change and delete services; the workers that answer their calls.",
    "Service Consumption APIs": "The documents of one version. Each has its own operations in them.",
    "Session APIs": "Remote Python sessions: their code, workspace and files.",
    "Snapshot APIs": "Saved workspaces and working directories of sessions.",
    "Status APIs": "Health of the server and of its parts.",
    "Centralized Configuration APIs": "The compute nodes of this server.",
}

# Parameters in paths, queries and forms, by their names. AutoRest can't do without descriptions.
_PARAMETERS = {
    "description": "What the service does.",
    "executionId": "Id of the execution.",
    "file": "The file.",
    "fileName": "Name of the file.",
    "id": "Id of the session or snapshot.",
    "model": "The serialized model.",
    "name": "Name of the service.",
    "objectName": "Name of the workspace object.",
    "operationId": "Alias of the service, after which generated clients name their method.",
    "refreshToken": "The refresh token to revoke.",
    "snapshotId": "Id of the snapshot.",
    "version": "Version of the service.",
}

# What any operation may answer with; a full disk shows wherever the database or a file is touched.
_ALWAYS = (400, 500, 503, 507)
_WITH_TOKEN = (401,)
_WITH_BODY = (413, 415)
_FORM = "multipart/form-data"


def core_openapi(app: FastAPI) -> dict[str, Any]:
    """The core API in OpenAPI 3.1."""
    document = get_openapi(
        title=app.title,
        version=API_VERSION,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        separate_input_output_schemas=app.separate_input_output_schemas,
    )
    bodies = _body_names(app)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        _name_as_on_the_wire(schema)
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation, bodies.get(operation["operationId"]), schemas)
    _untitle(document)
    return document


def core_swagger(app: FastAPI) -> dict[str, Any]:
    """The core API in Swagger 2.0."""
    return swagger_document(core_openapi(app))


def _body_names(app: FastAPI) -> dict[str, str]:
    """Operation id → name of the body, which is that of the function's parameter."""
    names = {}
    for route in iter_route_contexts(app.routes):
        bodies = getattr(getattr(route, "dependant", None), "body_params", [])
        if len(bodies) == 1:
            names[route.operation_id] = to_camel(bodies[0].name)
    return names


def _complete(operation: dict[str, Any], body_name: str | None, schemas: dict[str, Any]) -> None:
    """Add what FastAPI can't know: the errors that the server answers with, what is what, and the name of the body."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in _PARAMETERS:
            parameter.setdefault("description", _PARAMETERS[parameter["name"]])
    responses = operation["responses"]
    responses.pop("422", None)
    for status, answer in responses.items():
        if answer["description"] == "Successful Response":
            answer["description"] = HTTPStatus(int(status)).phrase
    body = operation.get("requestBody")
    usual = [*_ALWAYS, *(_WITH_TOKEN if "security" in operation else ()), *(_WITH_BODY if body else ())]
    for code in usual:
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        responses.setdefault(str(code), {"description": HTTPStatus(code).phrase, "content": error})
    operation["responses"] = dict(sorted(responses.items()))
    if body:
        # The published description asks for every body; the server also does without some.
        body["required"] = True
        if body_name and _FORM not in body["content"]:
            body.setdefault(BODY_NAME, body_name)
        body.setdefault("description", _said_of(body, schemas))
        for form in _forms(body, schemas):
            for name, member in form["properties"].items():
                if name in _PARAMETERS:
                    member.setdefault("description", _PARAMETERS[name])


def _forms(body: dict[str, Any], schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for media_type, content in body["content"].items():
        if media_type == _FORM:
            schema = content["schema"]
            yield schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def _said_of(body: dict[str, Any], schemas: dict[str, Any]) -> str:
    """The description of a body, which is that of its model."""
    for content in body["content"].values():
        schema = content["schema"]
        for alternative in (schema, *schema.get("anyOf", ())):
            model = schemas.get(alternative.get("$ref", "").rsplit("/", 1)[-1], {})
            if "description" in model:
                return str(model["description"])
    return "The body of the request."


def _name_as_on_the_wire(schema: dict[str, Any]) -> None:
    """Members have other names in the docstrings of the models, from which the descriptions are."""
    members = schema.get("properties", {})
    names = {re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower(): member for member in members}
    if "description" in schema:
        text = re.sub(r"`(\w+)`", lambda found: f"`{names.get(found[1], found[1])}`", schema["description"])
        schema["description"] = " ".join(text.split("\n"))


def _untitle(node: Any) -> None:
    """Drop the titles that are made from the names of members: they say nothing."""
    if isinstance(node, dict):
        for schema in node.get("properties", {}).values():
            if isinstance(schema, dict):
                schema.pop("title", None)
        for member, value in node.items():
            if member == "schema" and isinstance(value, dict):
                value.pop("title", None)
            _untitle(value)
    elif isinstance(node, list):
        for part in node:
            _untitle(part)
