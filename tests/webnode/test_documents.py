"""The documents over HTTP: valid, open or not, and made anew when a version changes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV31SpecValidator

from tests.api import Api, definitions
from tests.webnode.test_roles import TABLE


def core(api: Api, name: str) -> dict[str, Any]:
    """A core document, as anybody gets it."""
    response = requests.get(f"{api.url}/{name}", timeout=60)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    document: dict[str, Any] = response.json()
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Operation id → operation. An id must not stand twice."""
    found = [one for methods in document["paths"].values() for one in methods.values()]
    by_id = {one["operationId"]: one for one in found}
    assert len(by_id) == len(found)
    return by_id


def test_the_core_document_is_valid_openapi(api: Api) -> None:
    document = core(api, "openapi.json")
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_core_document_is_valid_swagger(api: Api) -> None:
    document = core(api, "swagger.json")
    OpenAPIV2SpecValidator.schema_validator.validate(document)
    for operation in operations(document).values():
        for answer in operation["responses"].values():
            if answer.get("schema") == {"type": "file"}:
                answer["schema"] = {"type": "string"}  # the validator of references doesn't know of files
    OpenAPIV2SpecValidator(document).validate()


def test_both_core_documents_have_the_same_operations(api: Api) -> None:
    one, other = core(api, "openapi.json"), core(api, "swagger.json")
    assert {path: set(methods) for path, methods in one["paths"].items()} == {
        path: set(methods) for path, methods in other["paths"].items()
    }
    assert operations(one).keys() == operations(other).keys()


def test_errors_are_documented_as_error_bodies(api: Api) -> None:
    document = core(api, "openapi.json")
    for identity, operation in operations(document).items():
        errors = {status: answer for status, answer in operation["responses"].items() if not status.startswith("2")}
        assert "422" not in errors, identity
        assert {"400", "500", "503"} <= errors.keys(), identity
        assert ("401" in errors) == ("security" in operation or "efresh" in identity or identity in OPEN), identity
        for answer in errors.values():
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}, identity
    assert not {"HTTPValidationError", "ValidationError"} & document["components"]["schemas"].keys()


OPEN = {"login", "renewToken"}


def test_what_each_role_is_answered_is_documented(api: Api) -> None:
    paths = core(api, "openapi.json")["paths"]
    described = 0
    for row in TABLE:
        method, _, path = re.sub(r":\w+}", "}", row.route).partition(" ")
        if operation := paths.get(path, {}).get(method.lower()):
            described += 1
            assert {str(status) for status in row.answers} <= operation["responses"].keys(), row.route
    assert described == sum(len(methods) for methods in paths.values())


def test_what_needs_a_token_says_so(api: Api) -> None:
    document = core(api, "openapi.json")
    assert document["components"]["securitySchemes"] == {
        "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    without = {identity for identity, operation in operations(document).items() if "security" not in operation}
    assert without == {"login", "renewToken", "revokeRefreshToken"}


def test_descriptions_name_members_as_they_travel(api: Api) -> None:
    schemas = core(api, "openapi.json")["components"]["schemas"]
    assert "`snapshotId`" in schemas["CreateSessionRequest"]["description"]
    assert "`snapshot_id`" not in schemas["CreateSessionRequest"]["description"]
    for name, schema in schemas.items():
        for member, described in schema.get("properties", {}).items():
            assert "title" not in described, f"{name}.{member}"


@pytest.mark.parametrize("document", ["swagger.json", "openapi.json"])
def test_a_version_s_document_needs_a_token(document: str, api: Api) -> None:
    api.publish("Guarded", "y = 1", document.replace(".", "-"))
    path = f"/api/Guarded/{document.replace('.', '-')}/{document}"
    assert requests.get(api.url + path, timeout=60).status_code == 401
    assert api.send("GET", path).status_code == 200
    assert api.error("GET", f"/api/Guarded/unknown/{document}", 404)["exceptionType"] == "NotFound"


@pytest.mark.parametrize("document", ["swagger.json", "openapi.json"])
def test_a_version_s_document_follows_its_patches(document: str, api: Api) -> None:
    version = f"changing-{document}"
    path = api.publish("Changing", "y = x", version, inputParameterDefinitions=definitions(x="numeric"))

    def schemas() -> Any:
        made = api.ok("GET", f"{path}/{document}")
        assert made["info"]["title"] == "Changing"
        return made["definitions"] if document == "swagger.json" else made["components"]["schemas"]

    assert schemas()["InputParameters"]["properties"]["x"]["type"] == "number"
    changes = {"code": "z = y", "inputParameterDefinitions": definitions(y="vector"), "operationId": "changed"}
    api.ok("PATCH", f"/services/Changing/{version}", json=changes)
    assert list(schemas()["InputParameters"]["properties"]) == ["y"]
    assert schemas()["InputParameters"]["properties"]["y"]["items"] is not None
    (consume,) = api.ok("GET", f"{path}/{document}")["paths"][path].values()
    assert consume["operationId"] == "changed"


@pytest.mark.parametrize("kind", ["logical", "numeric", "integer", "character", "vector", "matrix", "data.frame"])
def test_the_documents_of_every_type_are_valid(kind: str, api: Api) -> None:
    path = api.publish(
        "Typed",
        "y = x",
        kind,
        description="<script>",
        inputParameterDefinitions=definitions(x=kind),
        outputParameterDefinitions=definitions(y=kind),
        outputFileNames=["a.txt"],
    )
    swagger = api.ok("GET", f"{path}/swagger.json")
    OpenAPIV2SpecValidator.schema_validator.validate(swagger)
    for side, name in (("Input", "x"), ("Output", "y")):
        schema = swagger["definitions"][f"{side}Parameters"]["properties"][name]
        assert schema["description"] == kind
        assert ("items" in schema) == (schema["type"] == "array")
    OpenAPIV31SpecValidator(api.ok("GET", f"{path}/openapi.json")).validate()
