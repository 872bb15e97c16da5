"""The Swagger 2.0 document of one service version, from which consumers generate their clients.

Member by member as Machine Learning Server 9.3 wrote it, in its order, with two repairs: an array always says what its
items are, and the batch states are spelled as they travel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.protocol.schemas import swagger_schema

CONSUME_OPERATION = "ConsumeWebService"
"""`operationId` of the consume operation where the service has no alias."""

BATCH_STATES: tuple[str, ...] = ("Pending", "Ready", "InProgress", "Complete", "Failed")
"""The states of a batch execution, as they travel."""

_JSON = "application/json"
_ACCOUNT_TAG = "User"
_NO_SERVICE = "404 - Web service not found"
_NO_EXECUTION = "404 - Execution not found"
_NO_FILE = "404 - File not found"
_BAD_REQUEST = "400 - Bad request"


@dataclass(frozen=True)
class ServiceDescription:
    """What a service's document is written from.

    `inputs` and `outputs` stand in the order of the service's definition; `operation_id` is the alias that generated
    clients name their method after.
    """

    name: str
    version: str
    description: str | None = None
    operation_id: str | None = None
    inputs: Sequence[Parameter] = ()
    outputs: Sequence[Parameter] = ()
    output_file_names: Sequence[str] = ()


def service_document(service: ServiceDescription) -> dict[str, Any]:
    """The document that `GetWebServiceSwagger` answers for `service`; the caller may change it, it is made anew."""
    description = service.description or ""
    return {
        "swagger": "2.0",
        "info": {"description": description, "title": service.name, "version": service.version},
        "schemes": ["http", "https"],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
        "tags": [{"name": service.name, "description": description}],
        "consumes": [_JSON],
        "produces": [_JSON],
        "paths": {**_account_paths(), **_service_paths(service)},
        "definitions": _definitions(service),
    }


def fixed_operations() -> frozenset[str]:
    """The `operationId`s that the document of every version has, which no alias may be."""
    paths = service_document(ServiceDescription("service", "version"))["paths"].values()
    return frozenset(each["operationId"] for path in paths for each in path.values()) - {CONSUME_OPERATION}


# --------------------------------------------------------------------------------------------------------- operations


def _account_paths() -> dict[str, Any]:
    return {
        "/login": {
            "post": _account_operation(
                "login",
                "Logs the user in",
                _body("loginRequest", _ref("LoginRequest")),
                done="Login successful",
                refused="401 - Invalid Password",
            )
        },
        "/login/refreshToken": {
            "post": _account_operation(
                "renewToken",
                "Renews the access token and the refresh token",
                _body("renewTokenRequest", _ref("RenewTokenRequest")),
                done="Access token and refresh token renewed",
                refused="401 - Invalid or expired refresh token",
            ),
            "delete": _account_operation(
                "revokeRefreshToken",
                "Revokes a refresh token",
                _parameter("refreshToken", "query", "The refresh token to revoke.", type="string"),
                done="Refresh token revoked",
                refused="401 - Invalid or expired refresh token",
            ),
        },
    }


def _service_paths(service: ServiceDescription) -> dict[str, Any]:
    name = service.name
    root = f"/api/{quote(name, safe='')}/{quote(service.version, safe='')}"
    execution = _parameter("executionId", "path", "Id of the batch execution.", type="string")
    index = _parameter("index", "path", "Index of the record in the batch, from 0.", type="integer")
    file_name = _parameter("fileName", "path", "Name of the file.", type="string")
    return {
        root: {
            "post": _run_operation(
                service.operation_id or CONSUME_OPERATION,
                name,
                f"Consume the {name} web service.",
                _body("WebServiceParameters", _ref("InputParameters"), "Input parameters of the web service."),
                answer={"200": {"description": "OK", "schema": _ref("WebServiceResult")}},
            )
        },
        f"{root}/batch": {
            "post": _run_operation(
                "StartBatchExecution",
                name,
                f"Consume the {name} web service asynchronously.",
                _body(
                    "BatchWebServiceParameters",
                    _list_of(_ref("InputParameters")),
                    "Input parameters of the web service, one entry per record.",
                ),
                _parameter(
                    "parallelCount",
                    "query",
                    "Number of records that are worked on at a time. Default value is 10.",
                    required=False,
                    type="integer",
                    format="int32",
                ),
                answer={"202": {"description": "Accepted", "schema": _ref("StartBatchExecutionResponse")}},
            ),
            "get": _batch_operation(
                "GetBatchExecutions",
                name,
                f"Gets the ids of all batch executions of {name}.",
                answer=_list_of({"type": "string"}),
                errors=[_NO_SERVICE],
            ),
        },
        f"{root}/batch/{{executionId}}": {
            "get": _batch_operation(
                "GetBatchExecutionStatus",
                name,
                f"Gets the state and the results of a batch execution of {name}.",
                execution,
                _parameter(
                    "showPartialResults",
                    "query",
                    "Whether to return the results that are there before the batch execution is complete.",
                    required=False,
                    type="boolean",
                ),
                answer=_ref("BatchWebServiceResult"),
            ),
            "delete": _batch_operation(
                "CancelAndDeleteBatchExecution",
                name,
                f"Cancels and deletes a batch execution of {name}.",
                execution,
                answer=_list_of({"type": "string"}),
            ),
        },
        f"{root}/batch/{{executionId}}/{{index}}/files": {
            "get": _batch_operation(
                "GetBatchExecutionFiles",
                name,
                f"Gets the names of the files that one record of a batch execution of {name} wrote.",
                execution,
                index,
                answer=_list_of({"type": "string"}),
            )
        },
        f"{root}/batch/{{executionId}}/{{index}}/files/{{fileName}}": {
            "get": _batch_operation(
                "GetBatchExecutionFile",
                name,
                f"Gets a file that one record of a batch execution of {name} wrote.",
                execution,
                index,
                file_name,
                answer={"type": "file"},
                errors=[_NO_SERVICE, _NO_EXECUTION, _NO_FILE],
            )
        },
    }


def _account_operation(
    operation_id: str, summary: str, parameter: dict[str, Any], *, done: str, refused: str
) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation_id,
        "tags": [_ACCOUNT_TAG],
        "parameters": [dict(parameter)],
        "responses": {
            "200": {"description": done, "schema": _ref("AccessTokenResponse")},
            "default": _errors([refused]),
        },
    }


def _run_operation(
    operation_id: str, service_name: str, description: str, *parameters: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "description": description,
        "operationId": operation_id,
        "tags": [service_name],
        "parameters": [dict(parameter) for parameter in parameters],
        "responses": {
            **answer,
            "400": {"description": "Bad Request."},
            "500": {"description": "Internal Server Error."},
            "default": {"description": "Unexpected error.", "schema": _ref("Error")},
        },
        "security": [{"Bearer": []}],
    }


def _batch_operation(
    operation_id: str,
    service_name: str,
    summary: str,
    *parameters: dict[str, Any],
    answer: dict[str, Any],
    errors: Iterable[str] = (_NO_SERVICE, _NO_EXECUTION),
) -> dict[str, Any]:
    operation = {
        "summary": summary,
        "operationId": operation_id,
        "tags": [service_name],
        "consumes": [_JSON],
        "produces": [_JSON],
        "parameters": [dict(parameter) for parameter in parameters],
        "responses": {"200": {"description": "OK", "schema": answer}, "default": _errors([*errors, _BAD_REQUEST])},
        "security": [{"Bearer": []}],
    }
    if not parameters:
        del operation["parameters"]
    return operation


def _parameter(name: str, place: str, description: str, *, required: bool = True, **schema: str) -> dict[str, Any]:
    return {"name": name, "in": place, "description": description, "required": required, **schema}


def _body(name: str, schema: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    described = {} if description is None else {"description": description}
    return {"name": name, "in": "body", **described, "required": True, "schema": schema}


def _errors(lines: Iterable[str]) -> dict[str, Any]:
    return {"description": "Error" + "".join(f" \n * {line}" for line in lines), "schema": _ref("Error")}


def _ref(definition: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{definition}"}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


# -------------------------------------------------------------------------------------------------------- definitions


def _definitions(service: ServiceDescription) -> dict[str, Any]:
    output_files = {
        "outputFiles": {
            "type": "object",
            "description": "The declared output files by name, in base64.",
            "additionalProperties": {"type": "string", "format": "byte"},
        }
    }
    return {
        "InputParameters": _object({each.name: swagger_schema(each) for each in service.inputs}),
        "OutputParameters": _object({each.name: swagger_schema(each) for each in service.outputs}),
        "Error": _object(
            {
                "code": {"type": "integer", "format": "int32"},
                "message": {"type": "string"},
                "fields": {"type": "string"},
            }
        ),
        "WebServiceResult": _object(
            {
                "success": {"type": "boolean", "description": "Whether the code of the web service ran to its end."},
                "errorMessage": {"type": "string", "description": "The error that the code raised, else empty."},
                "consoleOutput": {"type": "string", "description": "What the code printed."},
                "changedFiles": {
                    **_list_of({"type": "string", "description": "The name of a file."}),
                    "description": "The files that the code made or changed.",
                },
                **(output_files if service.output_file_names else {}),
                "outputParameters": _ref("OutputParameters"),
            }
        ),
        "StartBatchExecutionResponse": _object(
            {"batchExecutionId": {"type": "string", "description": "Id of the batch execution."}}
        ),
        "BatchWebServiceResult": _object(
            {
                "state": {
                    "type": "string",
                    "description": "State of the batch execution: Pending (accepted, not scheduled yet), Ready (can be "
                    "executed), InProgress, Complete, or Failed (the server could not execute it).",
                    "enum": list(BATCH_STATES),
                },
                "completedItemCount": {
                    "type": "integer",
                    "format": "int32",
                    "description": "Number of records that are done.",
                },
                "totalItemCount": {
                    "type": "integer",
                    "format": "int32",
                    "description": "Number of records of the batch execution.",
                },
                "batchExecutionResults": {
                    **_list_of(_ref("WebServiceResult")),
                    "description": "The results, in the order of the records, up to the first that is not done yet.",
                },
            }
        ),
        "LoginRequest": _object(
            {
                "username": {"type": "string", "description": "The name of the user."},
                "password": {"type": "string", "description": "The password of the user."},
            }
        ),
        "RenewTokenRequest": _object(
            {"refreshToken": {"type": "string", "description": "A refresh token that is still valid."}}
        ),
        "AccessTokenResponse": _object(
            {name: {"type": "string"} for name in ("token_type", "access_token", "expires_on", "refresh_token")}
        ),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
