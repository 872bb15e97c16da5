"""Publishing, reading, patching and deleting versions over HTTP."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api import Api, definitions, publish_iris
from tests.waiting import wait_until


def _metadata(api: Api, name: str, version: str = "V1.0") -> dict[str, Any]:
    (service,) = api.ok("GET", f"/services/{quote(name)}/{quote(version)}")
    return dict(service)


def test_a_published_version_is_listed_with_its_metadata(api: Api) -> None:
    path = api.publish(
        "Described",
        "y = x",
        description="Echoes",
        operationId="echo",
        initCode="import math",
        runtimeType="Python",
        inputParameterDefinitions=definitions(x="string"),
        outputParameterDefinitions=definitions(y="character"),
    )
    assert path == "/api/Described/V1.0"
    service = _metadata(api, "Described")
    assert service.pop("creationTime")
    assert service == {
        "name": "Described",
        "version": "V1.0",
        "versionPublishedBy": "admin",
        "snapshotId": None,
        "runtimeType": "Python",
        "initCode": "import math",
        "code": "y = x",
        "description": "Echoes",
        "operationId": "echo",
        "inputParameterDefinitions": definitions(x="character"),
        "outputParameterDefinitions": definitions(y="character"),
        "outputFileNames": [],
        "myPermissionOnService": "read/write",
        "owner": "admin",
        "isolation": "namespace",
        "notes": [],
        "differences": [],
        "broken": None,
    }
    assert _metadata(api, "Described")["code"] in [entry["code"] for entry in api.ok("GET", "/services")]


def test_lists_are_never_null(api: Api) -> None:
    api.publish("Bare", "x = 1")
    service = _metadata(api, "Bare")
    for member in ("inputParameterDefinitions", "outputParameterDefinitions", "outputFileNames"):
        assert service[member] == []


def test_versions_are_listed_oldest_first(api: Api) -> None:
    for version in ("V2.0", "V10.0", "V1.0"):
        api.publish("Ordered", "x = 1", version)
    api.ok("PATCH", "/services/Ordered/V2.0", json={"description": "older still"})
    assert [entry["version"] for entry in api.ok("GET", "/services/Ordered")] == ["V2.0", "V10.0", "V1.0"]
    assert api.ok("GET", "/services/NeverPublished") == []


def test_without_a_version_it_gets_a_guid(api: Api) -> None:
    path = api.ok("POST", "/services/Guid", 201, json={"code": "x = 1"})
    (service,) = api.ok("GET", "/services/Guid")
    assert uuid.UUID(service["version"])
    assert path == f"/api/Guid/{service['version']}"
    assert api.consume(path)["success"]


def test_a_version_exists_once(api: Api) -> None:
    api.publish("Twice", "x = 1")
    assert (
        "Twice V1.0 exists already" in api.error("POST", "/services/Twice/V1.0", 409, json={"code": "x = 2"})["message"]
    )


def test_of_two_publishers_at_once_one_wins(api: Api) -> None:
    def attempt(number: int) -> int:
        return api.send("POST", "/services/Race/V1.0", json={"code": f"x = {number}"}).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(attempt, range(4))) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("members", "field", "text"),
    [
        ({"code": ""}, "code", "missing"),
        ({"code": None}, "code", "missing"),
        ({"code": 5}, "code", "string"),
        ({"code": "x = ("}, "code", "SyntaxError"),
        ({"code": "x\0"}, "code", "compile"),
        ({"initCode": "def"}, "initCode", "SyntaxError"),
        ({"runtimeType": "R"}, "runtimeType", "Python"),
        ({"operationId": "not a name"}, "operationId", "function name"),
        ({"operationId": "None"}, "operationId", "function name"),
        ({"operationId": "import"}, "operationId", "function name"),
        ({"operationId": "login"}, "operationId", "'login' is another operation"),
        ({"operationId": "StartBatchExecution"}, "operationId", "'StartBatchExecution' is another operation"),
        ({"inputParameterDefinitions": definitions(x="tensor")}, "inputParameterDefinitions", "logical, numeric"),
        ({"inputParameterDefinitions": [{"name": "x"}]}, "inputParameterDefinitions", "None"),
        ({"inputParameterDefinitions": [{"name": "a b", "type": "vector"}]}, "inputParameterDefinitions", "'a b'"),
        ({"outputParameterDefinitions": definitions(y="vector") * 2}, "outputParameterDefinitions", "twice"),
        ({"inputParameterDefinitions": {"x": "vector"}}, "inputParameterDefinitions", "list"),
        ({"outputFileNames": ["../x"]}, "outputFileNames", "plain file name"),
    ],
)
def test_what_cannot_be_published(api: Api, members: dict[str, Any], field: str, text: str) -> None:
    fault = api.error("POST", "/services/Refused/V1.0", 400, json={"code": "x = 1", **members})
    assert field in fault["fields"]
    assert text in fault["message"]
    assert "/" not in fault["message"].replace("../x", "")
    assert api.ok("GET", "/services/Refused") == []


@pytest.mark.parametrize("body", ["{", '{"code": "x = 1",}', "", "null", "[]", '"x"', b"\xff\xfe{"])
def test_a_body_that_is_not_a_request(api: Api, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    api.error("POST", "/services/Refused/V1.0", 400, data=body, headers=headers)


def test_an_alias_is_unique_in_the_documents(api: Api) -> None:
    api.publish("Aliased", "x = 1", operationId="ConsumeWebService")
    for operation in ("renewToken", "GetBatchExecutions", "CancelAndDeleteBatchExecution"):
        api.error("PATCH", "/services/Aliased/V1.0", 400, json={"operationId": operation})
    for document in ("swagger.json", "openapi.json"):
        paths = api.ok("GET", f"/api/Aliased/V1.0/{document}")["paths"].values()
        found = [operation["operationId"] for path in paths for operation in path.values()]
        assert len(found) == len(set(found)) == 10


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_empty_alias_is_none(api: Api, method: str) -> None:
    api.publish(f"Empty{method}", "x = 1", "old", operationId="kept")
    path = f"/services/Empty{method}/{'new' if method == 'POST' else 'old'}"
    assert api.send(method, path, json={"code": "x = 2", "operationId": ""}).ok
    (service,) = api.ok("GET", path)
    assert service["operationId"] == (None if method == "POST" else "kept")


def test_an_unknown_snapshot(api: Api) -> None:
    api.error("POST", "/services/Refused/V1.0", 404, json={"code": "x = 1", "snapshotId": "no-such"})
    assert api.ok("GET", "/services/Refused") == []


def test_a_version_that_cannot_be_loaded_leaves_nothing(api: Api) -> None:
    fault = api.error(
        "POST", "/services/Unloadable/V1.0", 400, json={"code": "x = 1", "initCode": "import no_such_module"}
    )
    assert "in line 1: ModuleNotFoundError: No module named 'no_such_module'" in fault["message"]
    assert "\n" not in fault["message"]
    assert api.ok("GET", "/services/Unloadable") == []
    api.error("POST", "/api/Unloadable/V1.0", 404, json={})


def test_a_workspace_that_can_no_longer_be_loaded_is_refused(api: Api, tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    code = f"""
class Thing:
    def __reduce__(self): return open, ({str(needed)!r},)
thing = Thing()
"""
    snapshot = api.snapshot(code)
    needed.unlink()
    fault = api.error("POST", "/services/Needy/V1.0", 400, json={"code": "x = 1", "snapshotId": snapshot})
    assert "'thing'" in fault["message"]
    assert "No such file" in fault["message"]
    assert api.ok("GET", "/services/Needy") == []


def test_init_code_that_ends_the_process_is_refused(api: Api) -> None:
    fault = api.error("POST", "/services/Dies/V1.0", 400, json={"code": "x = 1", "initCode": "import os; os._exit(9)"})
    assert "exit code 9" in fault["message"]
    assert api.ok("GET", "/services/Dies") == []


GOOD_NAMES = ["a", "12345", "Demo svc", "v1.0.0-alpha", "Ünïcode", "a~b@c+d", "x" * 128]
BAD_NAMES = [
    "..", ".hidden", "a/b", "../x", "a\\b", "<img onerror=alert(1)>", "💥", "x" * 1024, "swagger.json", "batch",
    "login", "trailing ", " leading", "new\nline", "ﬁ-ligature", "a%b", "trailing.", "U\u0308nicode",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_that_can_be_used(api: Api, name: str) -> None:
    path = api.ok("POST", f"/services/{quote(name)}/{quote(name)}", 201, json={"code": "x = 1"})
    assert api.consume(path)["success"]
    assert api.consume(f"/api/{quote(name)}/{quote(name)}")["success"]
    assert _metadata(api, name, name)["name"] == name
    api.ok("DELETE", f"/services/{quote(name)}/{quote(name)}")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_cannot_be_used(api: Api, name: str) -> None:
    encoded = quote(name, safe="").replace("..", "%2e%2e")
    for path in (f"/services/{encoded}/V1.0", f"/services/Named/{encoded}"):
        response = api.send("POST", path, json={"code": "x = 1"})
        assert response.status_code in (400, 404, 405), response.text
        assert response.json()["message"]
    assert api.ok("GET", "/services/Named") == []


# --------------------------------------------------------------------------------------------------------- patch


def test_a_patch_keeps_what_it_does_not_give(api: Api) -> None:
    path = publish_iris(api, "Patched")
    before = _metadata(api, "Patched")
    assert api.ok("PATCH", "/services/Patched/V1.0", json={"description": "new", "runtimeType": "Python"}) == path
    assert _metadata(api, "Patched") == {**before, "description": "new"}
    swagger = api.ok("GET", f"{path}/swagger.json")
    assert swagger["info"]["description"] == "new"
    assert api.consume(path, flower_data=[7, 3.2, 4.7, 1.4])["outputParameters"] == {"iris_species": ["I. versicolor"]}


def test_null_keeps_and_an_empty_list_sets_to_none(api: Api) -> None:
    path = api.publish(
        "Lists",
        "y = 1",
        inputParameterDefinitions=definitions(x="integer"),
        outputParameterDefinitions=definitions(y="integer"),
    )
    patch = {"inputParameterDefinitions": [], "outputParameterDefinitions": None, "description": None}
    api.ok("PATCH", "/services/Lists/V1.0", json=patch)
    service = _metadata(api, "Lists")
    assert service["inputParameterDefinitions"] == []
    assert service["outputParameterDefinitions"] == definitions(y="integer")
    assert api.consume(path)["outputParameters"] == {"y": 1}


def test_new_code_answers_at_once(api: Api) -> None:
    path = api.publish("Recoded", "y = 1", outputParameterDefinitions=definitions(y="integer"))
    assert api.consume(path)["outputParameters"] == {"y": 1}
    api.ok("PATCH", "/services/Recoded/V1.0", json={"code": "y = 2"})
    assert api.consume(path)["outputParameters"] == {"y": 2}


def test_an_empty_snapshot_keeps_the_workspace_unless_the_code_changes(api: Api) -> None:
    path = publish_iris(api, "Kept")
    before = _metadata(api, "Kept")
    empty = api.snapshot("pass")
    api.ok("PATCH", "/services/Kept/V1.0", json={"snapshotId": empty, "description": "new"})
    assert _metadata(api, "Kept")["snapshotId"] == before["snapshotId"]
    assert api.consume(path, flower_data=[7, 3.2, 4.7, 1.4])["success"]
    code = "iris_species = ['clf' in globals()]"
    api.ok("PATCH", "/services/Kept/V1.0", json={"snapshotId": empty, "code": code})
    assert api.consume(path, flower_data=[1])["outputParameters"] == {"iris_species": [False]}


def test_a_snapshot_with_content_replaces_the_workspace(api: Api) -> None:
    path = api.publish(
        "Swapped", "y = x", snapshotId=api.snapshot("x = 1"), outputParameterDefinitions=definitions(y="integer")
    )
    api.ok("PATCH", "/services/Swapped/V1.0", json={"snapshotId": api.snapshot("x = 2")})
    assert api.consume(path)["outputParameters"] == {"y": 2}


@pytest.mark.parametrize(
    "patch",
    [
        {"code": "y = ("},
        {"initCode": "raise ValueError"},
        {"runtimeType": "R"},
        {"outputFileNames": ["/x"]},
        {"code": ""},
        {"code": " \n"},
    ],
)
def test_a_patch_that_cannot_be_leaves_the_version_as_it_was(api: Api, patch: dict[str, Any]) -> None:
    if not api.ok("GET", "/services/Steady"):
        api.publish("Steady", "y = 1", outputParameterDefinitions=definitions(y="integer"))
    before = _metadata(api, "Steady")
    api.error("PATCH", "/services/Steady/V1.0", 400, json=patch)
    assert _metadata(api, "Steady") == before
    assert api.consume("/api/Steady/V1.0")["outputParameters"] == {"y": 1}


# -------------------------------------------------------------------------------------------------------- delete


def test_a_deleted_version_is_gone_and_the_others_stay(api: Api) -> None:
    paths = [api.publish("Deleted", "x = 1", version) for version in ("V1.0", "V2.0")]
    response = api.send("DELETE", "/services/Deleted/V2.0")
    assert (response.status_code, response.content) == (200, b"")
    api.error("POST", paths[1], 404, json={})
    api.error("GET", f"{paths[1]}/swagger.json", 404)
    assert api.consume(paths[0])["success"]
    api.publish("Deleted", "x = 2", "V2.0")
    assert api.consume(paths[1])["success"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PATCH", ""), ("DELETE", "")])
def test_an_unknown_version(api: Api, method: str, path: str) -> None:
    api.error(method, "/services/Iris/V99" + path, 404, json={})
    api.error(method, "/services/NoSuchService/V1.0", 404, json={})


def test_a_call_that_has_begun_ends_on_the_old_version(api: Api, tmp_path_factory: pytest.TempPathFactory) -> None:
    begun = tmp_path_factory.mktemp("begun") / "file"
    code = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(1); y = 1"
    path = api.publish("Slow", code, outputParameterDefinitions=definitions(y="integer"))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(api.consume, path)
        wait_until(begun.exists)
        api.ok("DELETE", "/services/Slow/V1.0")
        assert running.result(30)["outputParameters"] == {"y": 1}


def test_two_requests_for_the_core_contract(api: Api) -> None:
    status = api.ok("GET", "/status")
    assert status["statusCode"] == "pass"
    assert status["components"].keys() >= {"authentication", "database", "backends"}
    assert api.error("GET", "/no/such/route", 404)["exceptionType"] == "NotFound"
    for path in ("/healthz", "/readyz"):
        assert api.ok("GET", path)["status"] == "pass"
