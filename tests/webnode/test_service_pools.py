"""The workers of a version, the compute node, and what is not offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

WORKERS = 2


def status(api: Api, path: str) -> str:
    """Of the one compute node."""
    (node,) = api.ok("GET", f"{path}/pool")
    assert node.keys() == {"ComputeNodeEndpoint", "Status"}
    assert [node["ComputeNodeEndpoint"]] == api.ok("GET", "/computenodes")["computeNodes"]
    return str(node["Status"])


def test_a_pool_is_started_before_the_first_call_and_ended(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    Api(server).publish("Pooled", "import os; pid = os.getpid()", outputParameterDefinitions=PID)
    server.stop()
    api = Api(start_server())
    path = "/services/Pooled/V1.0"
    assert status(api, path) == "NotFound", "after a restart, workers start when they are needed"
    assert "started" in api.ok("POST", f"{path}/pool", json={"InitialPoolSize": WORKERS, "MaxPoolSize": WORKERS})
    assert status(api, path) in ("Pending", "Success")
    wait_until(lambda: status(api, path) == "Success")
    before = api.consume("/api/Pooled/V1.0")["outputParameters"]["pid"]
    api.ok("POST", f"{path}/pool", json={})
    assert status(api, path) == "Success", "started twice is started"
    assert "ended" in api.ok("DELETE", f"{path}/pool")
    assert status(api, path) == "NotFound"
    api.ok("DELETE", f"{path}/pool")
    after = api.consume("/api/Pooled/V1.0")
    assert after["success"]
    assert after["outputParameters"]["pid"] != before


PID = [{"name": "pid", "type": "integer"}]


@pytest.fixture(scope="module")
def sized(api: Api) -> str:
    """The path of a version's pool."""
    api.publish("Sized", "y = 1")
    return "/services/Sized/V1.0/pool"


@pytest.mark.parametrize(
    "sizes",
    [
        {"InitialPoolSize": 1, "MaxPoolSize": 10},
        {"InitialPoolSize": 5, "MaxPoolSize": 10},
        {"InitialPoolSize": 0},
        {"InitialPoolSize": 3},
        {"MaxPoolSize": 1},
        {"InitialPoolSize": None, "MaxPoolSize": None},
    ],
    ids=str,
)
def test_sizes_are_taken_and_the_server_has_its_own(sizes: Any, api: Api, sized: str) -> None:
    assert f"The {WORKERS} workers" in api.ok("POST", sized, json=sizes)
    wait_until(lambda: status(api, sized.removesuffix("/pool")) == "Success")
    workers = api.ok("GET", sized.replace("/pool", "/stats"))["workers"]
    assert (workers["size"], workers["ready"]) == (WORKERS, WORKERS)


@pytest.mark.parametrize(
    ("sizes", "fields"),
    [
        ({"InitialPoolSize": 3, "MaxPoolSize": 2}, "InitialPoolSize, MaxPoolSize"),
        ({"InitialPoolSize": -1}, "InitialPoolSize"),
        ({"MaxPoolSize": 0}, "MaxPoolSize"),
        ({"InitialPoolSize": "many"}, "InitialPoolSize"),
        ({"InitialPoolSize": "2"}, "InitialPoolSize"),
        ({"MaxPoolSize": 1.5}, "MaxPoolSize"),
        ({"MaxPoolSize": True}, "MaxPoolSize"),
        ([], "body"),
    ],
    ids=str,
)
def test_sizes_that_are_none(sizes: Any, fields: str, api: Api, sized: str) -> None:
    assert api.error("POST", sized, 400, json=sizes)["fields"] == fields


def test_names_of_pools_are_case_sensitive(api: Api) -> None:
    api.publish("Case", "y = 1")
    assert status(api, "/services/Case/V1.0") in ("Pending", "Success")
    for name in ("case", "CASE"):
        api.error("GET", f"/services/{name}/V1.0/pool", 404)


# ------------------------------------------------------------------------------------------------------ compute nodes


def test_the_one_compute_node(api: Api) -> None:
    assert api.ok("GET", "/computenodes") == {"computeNodes": ["local"]}
    assert list(api.ok("GET", "/status")["components"]["backends"]["components"]) == ["local"]
    for method in ("POST", "PUT"):
        response = api.send(method, "/computenodes", json={"entries": ["local"]})
        assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("entries", [["http://10.0.0.1:12805"], ["http://1.0.1.1-3:12805", "local"], [], None], ids=str)
def test_no_other_compute_node_is_taken(method: str, entries: Any, api: Api) -> None:
    body = api.error(method, "/computenodes", 400, json={"entries": entries})
    assert body["fields"] == "entries"
    assert api.ok("GET", "/computenodes") == {"computeNodes": ["local"]}


# --------------------------------------------------------------------------------------------------------- realtime


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/realtime-services/R"), ("POST", "/realtime-services/R/1"), ("PATCH", "/realtime-services/R/1")],
)
def test_realtime_services_are_not_offered_yet(method: str, path: str, api: Api) -> None:
    upload = {"files": {"model": ("model", b"blob")}, "data": {"description": "d"}}
    body = api.error(method, path, 501, **upload)
    assert body["exceptionType"] == "NotImplementedHere"
    assert "standard service" in body["message"]
    assert api.ok("GET", "/services/R") == []
