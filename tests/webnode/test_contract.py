"""Every operation of the published description: in our documents, and on the running server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dill
import pytest
import requests

from tests.api import Api
from tests.webnode.published_api import MODELS, OPERATIONS, Operation, faults

ALL = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.id)


@pytest.fixture(scope="module")
def swagger(api: Api) -> dict[str, Any]:
    """Our core document in the form of the published one."""
    document: dict[str, Any] = requests.get(f"{api.url}/swagger.json", timeout=60).json()
    return document


def shape(schema: dict[str, Any] | None) -> str:
    """A schema in the words of the table."""
    if not schema:
        return "-" if schema is None else "object"
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/")[-1])
    if schema["type"] == "array":
        return shape(schema["items"]) + "[]"
    return "binary" if schema.get("format") == "binary" else str(schema["type"])


# ----------------------------------------------------------------------------------------------------- the documents


@ALL
def test_the_document_has_the_operation(operation: Operation, swagger: Any) -> None:
    ours = swagger["paths"][operation.path][operation.method.lower()]
    assert ours["operationId"] == operation.id
    of_path = [parameter["name"] for parameter in ours["parameters"] if parameter["in"] == "path"]
    assert all(f"{{{name}}}" in operation.path for name in of_path)
    assert len(of_path) == operation.path.count("{")
    rest = [parameter for parameter in ours["parameters"] if parameter["in"] != "path"]
    assert [
        (one["in"], one["name"], one["type"] if "type" in one else shape(one["schema"]), one["required"])
        for one in rest
        if one["required"] or (one["in"], one["name"]) in {parameter[:2] for parameter in operation.parameters}
    ] == list(operation.parameters)
    successes = [status for status in ours["responses"] if status.startswith("2")]
    assert successes == [str(operation.status)]
    answer = shape(ours["responses"][successes[0]].get("schema"))
    # What the published description answers nothing to, ours may answer; a free-form map is an object.
    assert operation.answer == "-" or answer == operation.answer.replace("SwaggerJsonResponse", "object")
    assert ours["responses"]["default"]["schema"] == {"$ref": "#/definitions/Error"}


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name]])
def test_the_document_has_the_model(name: str, swagger: Any) -> None:
    ours = {member: shape(schema) for member, schema in swagger["definitions"][name]["properties"].items()}
    assert {member: ours.get(member) for member in MODELS[name]} == MODELS[name]
    assert [member for member in ours if member in MODELS[name]] == list(MODELS[name]), "the order of arguments"
    required = swagger["definitions"][name].get("required", [])
    assert required == (["name", "version"] if name == "WebService" else [])


def test_every_parameter_is_described(swagger: Any) -> None:
    """AutoRest fails on those that are not."""
    silent = [
        (path, parameter["name"])
        for path, methods in swagger["paths"].items()
        for operation in methods.values()
        for parameter in operation["parameters"]
        if not parameter.get("description")
    ]
    assert silent == []


def test_the_title_names_the_client(swagger: Any) -> None:
    assert swagger["info"]["title"] == "DeployRClient"
    assert swagger["info"]["version"] == "9.3.0"
    assert "securityDefinitions" not in swagger, "generated clients take the header per call"


# ------------------------------------------------------------------------------------------------------- the server


@dataclass
class Scene:
    """What is on the server while its operations are walked through."""

    api: Api
    made: list[str] = field(default_factory=list)

    def session(self, code: str = "x = 1") -> str:
        """A new session that has run `code`."""
        session = self.api.session()
        self.made.append(session)
        assert self.api.execute(session, code)["success"]
        return session

    def snapshot(self) -> str:
        """A new snapshot."""
        return self.api.snapshot("x = 1")

    def service(self, version: str) -> str:
        """`Contract/<version>`, published."""
        self.api.publish("Contract", "y = 1", version, description="", operationId="f", initCode="")
        return f"Contract/{version}"

    def file(self) -> str:
        """`<session>/files/a.txt` of a new session."""
        return self.session("open('a.txt', 'w').write('a')") + "/files/a.txt"

    def refresh_token(self) -> str:
        """A refresh token of a new sign-in."""
        answer = self.api.send("POST", "/login", json=self.credentials)
        return str(answer.json()["refresh_token"])

    credentials: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def scene(api: Api, server: Any) -> Any:
    made = Scene(api, credentials={"username": "admin", "password": server.password})
    yield made
    for session in made.made:
        api.send("DELETE", f"/sessions/{session}/force")


CODE = {"code": "y = 1"}
LOCAL = {"json": {"entries": ["local"]}}
MODEL = {"files": {"model": ("model", b"blob")}}
# Operation id → path and options of a request that succeeds; where another status is right, STATUS has it.
REQUESTS: dict[str, Callable[[Scene], tuple[str, dict[str, Any]]]] = {
    "login": lambda scene: ("/login", {"json": scene.credentials}),
    "renewToken": lambda scene: ("/login/refreshToken", {"json": {"refreshToken": scene.refresh_token()}}),
    "revokeRefreshToken": lambda scene: ("/login/refreshToken", {"params": {"refreshToken": scene.refresh_token()}}),
    "getAllWebServices": lambda scene: (f"/services?{scene.service('listed')}", {}),
    "publishWebService": lambda _: ("/services/Contract", {"json": CODE}),
    "getAllWebServiceVersionsByName": lambda _: ("/services/Contract", {}),
    "publishWebServiceVersion": lambda _: ("/services/Contract/1", {"json": CODE}),
    "patchWebServiceVersion": lambda scene: (f"/services/{scene.service('patched')}", {"json": {"description": "d"}}),
    "getWebServiceVersion": lambda scene: (f"/services/{scene.service('read')}", {}),
    "deleteWebServiceVersion": lambda scene: (f"/services/{scene.service('deleted')}", {}),
    "publishRealtimeWebServiceByName": lambda _: ("/realtime-services/Contract", MODEL),
    "publishRealtimeWebServiceByNameVersion": lambda _: ("/realtime-services/Contract/2", MODEL),
    "patchRealtimeWebServiceByNameVersion": lambda _: ("/realtime-services/Contract/2", MODEL),
    "createOrUpdateServicePool": lambda scene: (
        f"/services/{scene.service('pooled')}/pool",
        {"json": {"InitialPoolSize": 1, "MaxPoolSize": 2}},
    ),
    "getServicePoolStatus": lambda scene: (f"/services/{scene.service('pool read')}/pool", {}),
    "deleteServicePool": lambda scene: (f"/services/{scene.service('pool deleted')}/pool", {}),
    "GetWebServiceSwagger": lambda scene: (f"/api/{scene.service('described')}/swagger.json", {}),
    "createSession": lambda _: ("/sessions", {"json": {"name": "n", "runtimeType": "Python"}}),
    "listSessions": lambda scene: (f"/sessions?{scene.session()}", {}),
    "executeCode": lambda scene: (
        f"/sessions/{scene.session()}/execute",
        {"json": {"code": "x", "outputParameters": ["x"]}},
    ),
    "cancelSession": lambda scene: (f"/sessions/{scene.session()}/cancel", {}),
    "closeSession": lambda scene: (f"/sessions/{scene.session()}", {}),
    "closeSessionByForce": lambda scene: (f"/sessions/{scene.session()}/force", {}),
    "getSessionConsoleOutput": lambda scene: (f"/sessions/{scene.session()}/console-output", {}),
    "listSessionHistory": lambda scene: (f"/sessions/{scene.session()}/history", {}),
    "uploadSessionFile": lambda scene: (f"/sessions/{scene.session()}/files", {"files": {"file": ("a.txt", b"a")}}),
    "listSessionFiles": lambda scene: (f"/sessions/{scene.session()}/files", {}),
    "getSessionFile": lambda scene: (f"/sessions/{scene.file()}", {}),
    "deleteSessionFile": lambda scene: (f"/sessions/{scene.file()}", {}),
    "listWorkspaceObjects": lambda scene: (f"/sessions/{scene.session()}/workspace", {}),
    "setWorkspaceObject": lambda scene: (
        f"/sessions/{scene.session()}/workspace/x",
        {"data": dill.dumps([1]), "headers": {"Content-Type": "application/octet-stream"}},
    ),
    "getWorkspaceObject": lambda scene: (f"/sessions/{scene.session()}/workspace/x", {}),
    "deleteWorkspaceObject": lambda scene: (f"/sessions/{scene.session()}/workspace/x", {}),
    "CreateSnapshot": lambda scene: (f"/sessions/{scene.session()}/snapshot", {"json": {"name": None}}),
    "LoadSnapshot": lambda scene: (f"/sessions/{scene.session()}/loadsnapshot/{scene.snapshot()}", {}),
    "ListSnapshots": lambda scene: (f"/snapshots?{scene.snapshot()}", {}),
    "GetSnapshotContent": lambda scene: (f"/snapshots/{scene.snapshot()}", {}),
    "DeleteSnapshot": lambda scene: (f"/snapshots/{scene.snapshot()}", {}),
    "status": lambda _: ("/status", {}),
    "getComputeNodes": lambda _: ("/computenodes", {}),
    "setComputeNodes": lambda _: ("/computenodes", LOCAL),
    "addComputeNode": lambda _: ("/computenodes", LOCAL),
    "removeComputeNode": lambda _: ("/computenodes", LOCAL),
}
# The one compute node can't be removed, and there are no realtime services yet.
STATUS = {
    "removeComputeNode": 400,
    "publishRealtimeWebServiceByName": 501,
    "publishRealtimeWebServiceByNameVersion": 501,
    "patchRealtimeWebServiceByNameVersion": 501,
}


@ALL
def test_the_server_answers_as_described(operation: Operation, scene: Scene) -> None:
    path, options = REQUESTS[operation.id](scene)
    if operation.id in STATUS:
        scene.api.error(operation.method, path, STATUS[operation.id], **options)
        return
    response = scene.api.send(operation.method, path, **options)
    assert response.status_code == operation.status, response.text
    if operation.answer == "file":
        assert response.content
        assert response.headers["content-type"] != "application/json"
    elif operation.answer != "-":
        assert response.headers["content-type"].startswith("application/json")
        assert faults(response.json(), operation.answer) == []
    elif operation.id not in ("LoadSnapshot", "uploadSessionFile"):
        assert response.content == b""


def test_the_shapes_see_faults() -> None:
    assert faults({"statusCode": 1, "details": None}, "StatusResponse") == [
        "body: has no components",
        "body.statusCode: 1 is no string",
    ]
    assert faults([{"sessionId": "1"}, "x", True], "CreateSessionResponse[]") == [
        "body[1]: 'x' is no object",
        "body[2]: True is no object",
    ]
    assert faults(True, "integer") == ["body: True is no integer"]


PATHS = {"id": "x" * 8, "name": "NoSuchService", "version": "V1", "fileName": "f", "objectName": "o", "snapshotId": "x"}
OPEN = {"login", "renewToken", "revokeRefreshToken"}


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS.values() if one.id not in OPEN], ids=lambda one: one.id
)
def test_without_a_token_there_is_no_answer(operation: Operation, api: Api) -> None:
    url = api.url + operation.path.format_map(PATHS)
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YWRtaW46YWRtaW4="}):
        response = requests.request(operation.method, url, headers=headers, json={}, timeout=60)
        assert response.status_code == 401
        assert faults(response.json(), "Error") == []
        assert response.headers["WWW-Authenticate"] == "Bearer"


# These make what they name, or answer with none of it.
WITHOUT_404 = {
    "publishWebService",
    "getAllWebServiceVersionsByName",
    "publishWebServiceVersion",
    "publishRealtimeWebServiceByName",
    "publishRealtimeWebServiceByNameVersion",
    "patchRealtimeWebServiceByNameVersion",
}


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS.values() if "{" in one.path and one.id not in WITHOUT_404],
    ids=lambda one: one.id,
)
def test_what_is_not_there_is_404(operation: Operation, api: Api) -> None:
    options: dict[str, Any] = {"json": {"code": ""}}
    for place, name, kind, _ in operation.parameters:
        if place == "formData" and kind == "file":
            options = {"files": {name: ("f", b"f")}}
        elif kind == "binary":
            options = {"data": b"f", "headers": {"Content-Type": "application/octet-stream"}}
    body = api.error(operation.method, operation.path.format_map(PATHS), 404, **options)
    assert body["message"] != "There is no such route."
    assert body["exceptionType"] == "NotFound"
