"""The OpenAPI 3.1 document of one version: valid, and with what Swagger 2.0 can't say."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jupyter_deployr.protocol.openapi import service_openapi
from jupyter_deployr.protocol.parameters import TYPES, Parameter
from jupyter_deployr.protocol.swagger import ServiceDescription, service_document

DOUBLE = ServiceDescription(
    name="Double",
    version="V1.0",
    description="Doubles a number",
    inputs=[Parameter("x", "integer"), Parameter("factor", "numeric", default=2, minimum=0)],
    outputs=[Parameter("y", "integer")],
)
EVERYTHING = ServiceDescription(
    name="All types",
    version="1.0/β",
    operation_id="manualTransmission",
    inputs=[Parameter(f"x{number}", kind) for number, kind in enumerate(TYPES)],
    outputs=[Parameter(f"y{number}", kind) for number, kind in enumerate(TYPES)],
    output_file_names=["plot.png"],
)
SERVICES = pytest.mark.parametrize(
    "service", [DOUBLE, EVERYTHING, ServiceDescription("Empty", "1")], ids=lambda service: service.name
)


@SERVICES
def test_is_valid(service: Any) -> None:
    OpenAPIV31SpecValidator(service_openapi(service)).validate()


def test_the_validator_sees_faults() -> None:
    document = service_openapi(DOUBLE)
    del document["info"]["title"]
    assert list(OpenAPIV31SpecValidator(document).iter_errors())


@SERVICES
def test_has_the_operations_of_the_swagger_document(service: Any) -> None:
    def operations(document: Any) -> Any:
        return {
            (path, method): (operation["operationId"], operation["tags"], "security" in operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    assert operations(service_openapi(service)) == operations(service_document(service))
    assert service_openapi(service)["info"] == service_document(service)["info"]
    assert set(service_openapi(service)["components"]["schemas"]) == set(service_document(service)["definitions"])


def test_nothing_of_2_0_is_left() -> None:
    text = str(service_openapi(EVERYTHING))
    for word in ("#/definitions", "'in': 'body'", "'type': 'file'", "consumes", "produces", "x-nullable"):
        assert word not in text


def test_how_a_call_is_described() -> None:
    operation = service_openapi(DOUBLE)["paths"]["/api/Double/V1.0"]["post"]
    assert operation["requestBody"] == {
        "description": "Input parameters of the web service.",
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InputParameters"}}},
    }
    assert set(operation["responses"]) == {
        "200", "400", "401", "404", "413", "415", "500", "502", "503", "504", "507"
    }  # fmt: skip
    assert operation["responses"]["404"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Error"
    }
    assert operation["security"] == [{"Bearer": []}]


def validator(service: ServiceDescription, name: str) -> Any:
    document = service_openapi(service)
    return OAS31Validator({**document["components"]["schemas"][name], "components": document["components"]})


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ("InputParameters", {"x": 1}, True),
        ("InputParameters", {"x": 1, "factor": 0.5}, True),
        ("InputParameters", {"factor": 1}, False),
        ("InputParameters", {"x": 1, "factor": -1}, False),
        ("InputParameters", {"x": "1"}, False),
        ("InputParameters", {"x": 1, "z": 1}, False),
        ("OutputParameters", {"y": None}, True),
        ("BatchWebServiceResult", {"state": "InProgress", "batchExecutionResults": [None]}, False),
        ("BatchWebServiceResult", {"state": "inProgress"}, False),
        ("LoginRequest", {"username": "u"}, False),
        ("AccessTokenResponse", {"access_token": None, "expires_in": 3600, "expires_on": "1"}, True),
        ("Error", {"message": "m"}, False),
        ("Error", {"message": "m", "code": 400, "link": "", "exceptionType": "E", "fields": ""}, True),
    ],
)
def test_what_the_schemas_take(schema: str, value: Any, valid: bool) -> None:
    assert validator(DOUBLE, schema).is_valid(value) == valid


def test_a_file_that_was_not_written_is_null() -> None:
    result = {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputFiles": {"plot.png": None, "other.png": "QQ=="},
        "outputParameters": {},
    }
    assert validator(EVERYTHING, "WebServiceResult").is_valid(result)
    assert not validator(EVERYTHING, "WebServiceResult").is_valid({**result, "outputFiles": {"plot.png": 1}})
    assert not validator(EVERYTHING, "WebServiceResult").is_valid({"success": True})
