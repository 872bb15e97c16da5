"""The document of one service version against the published shape and the Swagger 2.0 schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV2SpecValidator

from jupyter_deployr.protocol import parameters
from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.protocol.swagger import BATCH_STATES, ServiceDescription, service_document
from tests.protocol.spoiling import spoil

DOUBLE = ServiceDescription(
    name="Double",
    version="V1.0",
    description="Doubles the input parameter",
    inputs=[Parameter("x", "integer")],
    outputs=[Parameter("y", "integer")],
)
EVERYTHING = ServiceDescription(
    name="All types",
    version="1.0/β",
    operation_id="manualTransmission",
    inputs=[Parameter(f"x{number}", kind) for number, kind in enumerate(parameters.TYPES)],
    outputs=[Parameter(f"y{number}", kind) for number, kind in enumerate(parameters.TYPES)],
    output_file_names=["plot.png"],
)


def operations(document: Any) -> Any:
    paths = document["paths"].items()
    return {(method, path): operation for path, methods in paths for method, operation in methods.items()}


SWAGGER = OpenAPIV2SpecValidator.schema_validator


@pytest.mark.parametrize("service", [DOUBLE, EVERYTHING, ServiceDescription("Empty", "1")], ids=lambda s: s.name)
def test_is_valid_swagger(service: Any) -> None:
    SWAGGER.validate(service_document(service))


def test_references_path_parameters_and_operation_ids_hold() -> None:
    document = service_document(EVERYTHING)
    for operation in operations(document).values():
        if operation["responses"].get("200", {}).get("schema") == {"type": "file"}:
            operation["responses"]["200"]["schema"] = {"type": "string"}  # this validator doesn't know of files
    OpenAPIV2SpecValidator(document).validate()


def test_the_schema_sees_faults() -> None:
    document = service_document(DOUBLE)
    del document["info"]["title"]
    assert not SWAGGER.is_valid(document)


def test_members_in_the_published_order() -> None:
    document = service_document(DOUBLE)
    assert list(document) == [
        "swagger",
        "info",
        "schemes",
        "securityDefinitions",
        "tags",
        "consumes",
        "produces",
        "paths",
        "definitions",
    ]
    assert document["swagger"] == "2.0"
    assert list(document["info"].items()) == [
        ("description", "Doubles the input parameter"),
        ("title", "Double"),
        ("version", "V1.0"),
    ]
    assert document["schemes"] == ["http", "https"]
    assert document["securityDefinitions"] == {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}}
    assert document["tags"] == [{"name": "Double", "description": "Doubles the input parameter"}]
    assert document["consumes"] == document["produces"] == ["application/json"]


def test_no_description_is_an_empty_one() -> None:
    document = service_document(ServiceDescription("Empty", "1"))
    assert document["info"]["description"] == ""
    assert document["tags"] == [{"name": "Empty", "description": ""}]


BATCH = "/api/Double/V1.0/batch"
# method, path, operationId, tag, needs a token, parameters as (name, in, required, type), success
OPERATIONS = [
    ("post", "/login", "login", "User", False, [("loginRequest", "body", True, "LoginRequest")], "200"),
    (
        "post",
        "/login/refreshToken",
        "renewToken",
        "User",
        False,
        [("renewTokenRequest", "body", True, "RenewTokenRequest")],
        "200",
    ),
    (
        "delete",
        "/login/refreshToken",
        "revokeRefreshToken",
        "User",
        False,
        [("refreshToken", "query", True, "string")],
        "200",
    ),
    (
        "post",
        "/api/Double/V1.0",
        "ConsumeWebService",
        "Double",
        True,
        [("WebServiceParameters", "body", True, "InputParameters")],
        "200",
    ),
    (
        "post",
        BATCH,
        "StartBatchExecution",
        "Double",
        True,
        [
            ("BatchWebServiceParameters", "body", True, "array of InputParameters"),
            ("parallelCount", "query", False, "int32"),
        ],
        "202",
    ),
    ("get", BATCH, "GetBatchExecutions", "Double", True, [], "200"),
    (
        "get",
        BATCH + "/{executionId}",
        "GetBatchExecutionStatus",
        "Double",
        True,
        [("executionId", "path", True, "string"), ("showPartialResults", "query", False, "boolean")],
        "200",
    ),
    (
        "delete",
        BATCH + "/{executionId}",
        "CancelAndDeleteBatchExecution",
        "Double",
        True,
        [("executionId", "path", True, "string")],
        "200",
    ),
    (
        "get",
        BATCH + "/{executionId}/{index}/files",
        "GetBatchExecutionFiles",
        "Double",
        True,
        [("executionId", "path", True, "string"), ("index", "path", True, "integer")],
        "200",
    ),
    (
        "get",
        BATCH + "/{executionId}/{index}/files/{fileName}",
        "GetBatchExecutionFile",
        "Double",
        True,
        [
            ("executionId", "path", True, "string"),
            ("index", "path", True, "integer"),
            ("fileName", "path", True, "string"),
        ],
        "200",
    ),
]


def shown(parameter: Any) -> Any:
    """A parameter as a row of the table above."""
    schema = parameter.get("schema", {})
    named = schema.get("items", schema).get("$ref", "").removeprefix("#/definitions/")
    kind = f"array of {named}" if schema.get("type") == "array" else named
    return (
        parameter["name"],
        parameter["in"],
        parameter["required"],
        kind or parameter.get("format") or parameter["type"],
    )


@pytest.mark.parametrize(
    ("method", "path", "operation_id", "tag", "needs_token", "parameters", "success"),
    OPERATIONS,
    ids=[row[2] for row in OPERATIONS],
)
def test_operation(
    method: str, path: str, operation_id: str, tag: str, needs_token: bool, parameters: list[Any], success: str
) -> None:
    operation = operations(service_document(DOUBLE))[method, path]
    assert operation["operationId"] == operation_id
    assert operation["tags"] == [tag]
    assert operation.get("security") == ([{"Bearer": []}] if needs_token else None)
    assert [shown(parameter) for parameter in operation.get("parameters", [])] == parameters
    assert [status for status in operation["responses"] if status.startswith("2")] == [success]
    assert operation["responses"]["default"]["schema"] == {"$ref": "#/definitions/Error"}


def test_these_are_all_operations() -> None:
    assert sorted(operations(service_document(DOUBLE))) == sorted(row[:2] for row in OPERATIONS)


def test_texts_that_consumers_have_seen() -> None:
    found = {operation["operationId"]: operation for operation in operations(service_document(DOUBLE)).values()}
    assert found["ConsumeWebService"]["description"] == "Consume the Double web service."
    assert found["StartBatchExecution"]["description"] == "Consume the Double web service asynchronously."
    assert "401 - Invalid Password" in found["login"]["responses"]["default"]["description"]
    for name in ("ConsumeWebService", "StartBatchExecution"):
        assert "summary" not in found[name]
        assert "schema" not in found[name]["responses"]["400"]
        assert "schema" not in found[name]["responses"]["500"]
        del found[name]
    for name, operation in found.items():
        assert operation["summary"], name
        assert ("consumes" in operation, "produces" in operation) == (name.startswith(("Get", "Cancel")),) * 2, name
    assert found["GetBatchExecutionFile"]["responses"]["200"]["schema"] == {"type": "file"}


def test_alias_names_the_consume_operation() -> None:
    path = "/api/All%20types/1.0%2F%CE%B2"
    assert operations(service_document(EVERYTHING))["post", path]["operationId"] == "manualTransmission"


DEFINITIONS = {
    "InputParameters": ["x"],
    "OutputParameters": ["y"],
    "Error": ["code", "message", "fields"],
    "WebServiceResult": ["success", "errorMessage", "consoleOutput", "changedFiles", "outputParameters"],
    "StartBatchExecutionResponse": ["batchExecutionId"],
    "BatchWebServiceResult": ["state", "completedItemCount", "totalItemCount", "batchExecutionResults"],
    "LoginRequest": ["username", "password"],
    "RenewTokenRequest": ["refreshToken"],
    "AccessTokenResponse": ["token_type", "access_token", "expires_on", "refresh_token"],
}


def test_definitions() -> None:
    definitions = service_document(DOUBLE)["definitions"]
    assert {name: list(schema["properties"]) for name, schema in definitions.items()} == DEFINITIONS
    assert list(definitions) == list(DEFINITIONS)
    assert not [name for name, schema in definitions.items() if "required" in schema]


def test_output_files_only_where_they_are_declared() -> None:
    result = service_document(EVERYTHING)["definitions"]["WebServiceResult"]["properties"]
    assert list(result)[-2:] == ["outputFiles", "outputParameters"]
    assert result["outputFiles"]["additionalProperties"] == {"type": "string", "format": "byte"}


def test_batch_states_are_those_that_travel() -> None:
    state = service_document(DOUBLE)["definitions"]["BatchWebServiceResult"]["properties"]["state"]
    assert tuple(state["enum"]) == BATCH_STATES == ("Pending", "Ready", "InProgress", "Complete", "Failed")


SCHEMAS: dict[str, dict[str, Any]] = {
    "logical": {"type": "boolean"},
    "numeric": {"type": "number"},
    "integer": {"type": "integer"},
    "character": {"type": "string"},
    "vector": {"type": "array", "items": {}},
    "matrix": {"type": "array", "items": {"type": "array", "items": {}}},
    "data.frame": {"type": "object"},
}


@pytest.mark.parametrize("kind", parameters.TYPES)
def test_parameter_schema(kind: Any) -> None:
    service = ServiceDescription("S", "1", inputs=[Parameter("a", kind)], outputs=[Parameter("b", kind)])
    definitions = service_document(service)["definitions"]
    expected = {**SCHEMAS[kind], "description": kind}
    assert definitions["InputParameters"]["properties"] == {"a": expected}
    assert definitions["OutputParameters"]["properties"] == {"b": expected}


def arrays(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if node.get("type") == "array":
            yield node
        for child in node.values():
            yield from arrays(child)
    elif isinstance(node, list):
        for child in node:
            yield from arrays(child)


def test_every_array_says_what_its_items_are() -> None:
    found = list(arrays(service_document(EVERYTHING)))
    assert found
    assert all("items" in array for array in found)


def test_each_document_is_made_anew() -> None:
    pristine = json.dumps(service_document(EVERYTHING))
    spoil(service_document(EVERYTHING))
    assert json.dumps(service_document(EVERYTHING)) == pristine


@settings(max_examples=10, deadline=None)
@given(
    name=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    version=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    inputs=st.dictionaries(st.from_regex(r"[a-z]\w{0,8}", fullmatch=True), st.sampled_from(parameters.TYPES)),
)
def test_any_name_gives_valid_swagger(name: Any, version: Any, inputs: Any) -> None:
    service = ServiceDescription(name, version, inputs=[Parameter(*each) for each in inputs.items()])
    document = service_document(service)
    SWAGGER.validate(document)
    assert list(document["definitions"]["InputParameters"]["properties"]) == list(inputs)
