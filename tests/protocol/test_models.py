"""Requests and responses: argument order, names on the wire, what never shows."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from jupyter_deployr.protocol import models
from jupyter_deployr.protocol.strict_json import read_json

# The properties of the published description (9.3.0), in its order, and what this server adds behind them.
PUBLISHED = {
    "LoginRequest": (["username", "password"], []),
    "AccessTokenResponse": (["token_type", "access_token", "expires_on", "refresh_token"], ["expires_in"]),
    "RenewTokenRequest": (["refreshToken"], []),
    "WorkspaceObject": (["name", "value"], []),
    "CreateSessionRequest": (["name", "snapshotId", "runtimeType"], ["client"]),
    "CreateSessionResponse": (["sessionId"], ["differences"]),
    "Session": (["id", "name", "owner", "runtimeType"], []),
    "ExecuteRequest": (["code", "inputParameters", "outputParameters"], []),
    "ExecuteResponse": (
        ["success", "errorMessage", "outputParameters", "consoleOutput", "changedFiles"],
        ["traceback"],
    ),
    "ConsoleOutputResponse": (["consoleOutput"], []),
    "CreateSnapshotRequest": (["name"], ["only", "drop", "strict"]),
    "CreateSnapshotResponse": (["snapshotId"], ["notKept", "contentSize", "largest"]),
    "Snapshot": (
        ["id", "name", "owner", "creationTime", "contentSize"],
        ["pythonVersion", "platform", "distributions", "differences", "notKept", "largest", "broken"],
    ),
    "ParameterDefinition": (
        ["name", "type"],
        ["description", "default", "enum", "minimum", "maximum", "example"],
    ),
    "PublishWebServiceRequest": (
        [
            "snapshotId",
            "code",
            "description",
            "operationId",
            "inputParameterDefinitions",
            "outputParameterDefinitions",
            "runtimeType",
            "initCode",
            "outputFileNames",
        ],
        ["isolation"],
    ),
    "WebService": (
        [
            "name",
            "version",
            "versionPublishedBy",
            "creationTime",
            "snapshotId",
            "runtimeType",
            "initCode",
            "code",
            "description",
            "operationId",
            "inputParameterDefinitions",
            "outputParameterDefinitions",
            "outputFileNames",
            "myPermissionOnService",
        ],
        ["owner", "isolation", "notes", "differences", "broken"],
    ),
    "WebServiceResult": (
        ["success", "errorMessage", "consoleOutput", "changedFiles", "outputFiles", "outputParameters"],
        [],
    ),
    "StartBatchExecutionResponse": (["batchExecutionId"], []),
    "BatchWebServiceResult": (
        ["state", "completedItemCount", "totalItemCount", "batchExecutionResults"],
        ["errorMessage"],
    ),
    "CreateOrUpdateServicePoolRequest": (["InitialPoolSize", "MaxPoolSize"], []),
    "ServicePoolStatusResponse": (["ComputeNodeEndpoint", "Status"], []),
    "GetComputeNodesResponse": (["computeNodes"], []),
    "UpdateComputeNodesRequest": (["entries"], []),
    "StatusResponse": (["statusCode", "details", "components"], []),
    "Error": (["message", "link", "exceptionType"], ["code", "fields"]),
}
OURS = {
    "ChangeEvent",
    "CompleteRequest",
    "Environment",
    "FailedCall",
    "InspectRequest",
    "LatencyQuantiles",
    "LoadSnapshotResponse",
    "MinuteStats",
    "SavedObject",
    "ServiceLog",
    "ServiceStats",
    "SessionDetails",
    "SnapshotProgress",
    "UnkeptObject",
    "WorkerStats",
}


def attribute(member: Any) -> Any:
    """A member of the wire in snake_case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in member).lstrip("_")


def positional(kind: Any) -> Any:
    return [field.name for field in dataclasses.fields(kind) if not field.kw_only]


def on_wire(model: Any) -> Any:
    return json.loads(models.to_wire(model))


def test_the_table_of_this_module_names_every_model() -> None:
    found = {
        name
        for name, kind in vars(models).items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__.startswith(models.__name__)
    }
    assert found == set(PUBLISHED) | OURS


@pytest.mark.parametrize("name", PUBLISHED)
def test_arguments_stand_in_the_published_order(name: Any) -> None:
    kind = getattr(models, name)
    published, added = PUBLISHED[name]
    names = positional(kind)
    assert names[: len(published)] == [attribute(member) for member in published]
    everything = {field.name for field in dataclasses.fields(kind)}
    assert everything == {attribute(member) for member in [*published, *added]}


def test_positional_construction() -> None:
    token = models.AccessTokenResponse("Bearer", "a", "1479664807", "r", expires_in=3600)
    assert (token.access_token, token.expires_on, token.refresh_token) == ("a", "1479664807", "r")
    session = models.CreateSessionRequest("Session 1", runtime_type="Python")
    assert (session.name, session.snapshot_id, session.runtime_type) == ("Session 1", None, "Python")


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_on_the_wire(name: Any) -> None:
    kind = getattr(models, name)
    published, added = PUBLISHED[name]
    document = TypeAdapter(kind).json_schema(by_alias=True)
    properties = document["properties"] if "properties" in document else document["$defs"][name]["properties"]
    assert set(properties) == {*published, *added}


def test_the_token_response_travels_in_its_own_order() -> None:
    token = models.AccessTokenResponse("Bearer", "a", "1479664807", "r", expires_in=3600)
    assert models.to_wire(token) == (
        b'{"token_type":"Bearer","access_token":"a","expires_in":3600,"expires_on":"1479664807","refresh_token":"r"}'
    )


def test_wire_names_and_attribute_names_both_build_a_model() -> None:
    by_wire = TypeAdapter(models.Session).validate_python({"id": "1", "runtimeType": "Python"})
    assert by_wire == models.Session(id="1", runtime_type="Python")


def test_nested_models_come_back_as_models() -> None:
    document = {"success": True, "outputParameters": [{"name": "x", "value": [1, None]}], "new": "member"}
    response = TypeAdapter(models.ExecuteResponse).validate_python(document)
    assert response.output_parameters == [models.WorkspaceObject("x", [1, None])]


def test_null_members_are_left_out_of_requests() -> None:
    request = models.ExecuteRequest("1", [models.WorkspaceObject("x", 1)])
    assert on_wire(request) == {"code": "1", "inputParameters": [{"name": "x", "value": 1}]}
    assert on_wire([models.Session(id="1"), models.Session()]) == [{"id": "1"}, {}]


def test_nulls_inside_a_value_survive() -> None:
    value = {"a": None, "b": [None, {"c": None}]}
    assert on_wire(models.ExecuteRequest("1", [models.WorkspaceObject("x", value)]))["inputParameters"] == [
        {"name": "x", "value": value}
    ]


def test_nan_inside_a_value_survives() -> None:
    sent = models.to_wire(models.WorkspaceObject("x", [float("nan"), float("inf"), np.array([-np.inf, 1.0])]))
    assert sent == b'{"name":"x","value":[NaN,Infinity,[-Infinity,1.0]]}'
    assert repr(read_json(sent)["value"]) == "[nan, inf, [-inf, 1.0]]"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_value_arrives_as_it_was(value: Any) -> None:
    sent = models.to_wire(models.ExecuteRequest("1", [models.WorkspaceObject("x", value)]))
    (arrived,) = TypeAdapter(models.ExecuteRequest).validate_python(read_json(sent)).input_parameters or []
    assert repr(arrived.value) == repr(value)  # NaN isn't equal to itself, and -0.0 equals 0.0


@pytest.mark.parametrize("value", [object(), 10**5000, {(1, 2): 3}], ids=["object", "huge", "tuple key"])
def test_a_value_without_json_form_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        models.to_wire(models.WorkspaceObject("x", value))


CANARY = "canary-5fd1c0"


@pytest.mark.parametrize(
    "model",
    [
        models.LoginRequest("admin", CANARY),
        models.AccessTokenResponse("Bearer", CANARY, "1", CANARY),
        models.RenewTokenRequest(CANARY),
    ],
    ids=lambda model: type(model).__name__,
)
def test_no_secret_shows(model: Any) -> None:
    assert CANARY in models.to_wire(model).decode()
    assert CANARY not in repr(model)
    assert CANARY not in str(model)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (models.LoginRequest, {"username": "admin", "password": [CANARY]}),
        (models.RenewTokenRequest, {"refreshToken": [CANARY]}),
        (models.AccessTokenResponse, {"access_token": [CANARY]}),
    ],
)
def test_no_secret_shows_in_a_validation_error(kind: Any, document: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(document)
    assert CANARY not in str(caught.value)


def test_a_listing_always_has_its_lists() -> None:
    service = models.WebService("Iris", "V1.0")
    assert service.input_parameter_definitions == service.output_parameter_definitions == []
    assert service.output_file_names == []
    assert service.input_parameter_definitions is not models.WebService("a", "b").input_parameter_definitions


def test_status_nests() -> None:
    document = {"statusCode": "pass", "components": {"database": {"statusCode": "warn", "details": {"a": None}}}}
    status = TypeAdapter(models.StatusResponse).validate_python(document)
    assert status.components == {"database": models.StatusResponse("warn", {"a": None})}
