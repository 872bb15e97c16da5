"""The server killed, or its disk full, at each step of what must be wholly done or not at all."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import jupyter_deployr
from jupyter_deployr.webnode import store
from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.data_directory import DATABASE, blobs, check_whole, referenced

Start = Callable[..., ServerProcess]
Act = Callable[[Api, dict[str, str]], requests.Response]
Facts = dict[str, Any]

Y = definitions(y="integer")
# What the tests don't need, and would pay for at every start.
LIGHT = ("--ServeApp.workers=1", "--ServeApp.warm_sessions=0")


# ------------------------------------------------------------------------------------------------- the operations


def _snapshot(api: Api, ids: dict[str, str]) -> requests.Response:
    session = api.session()
    api.execute(session, "x = 4")
    return api.send("POST", f"/sessions/{session}/snapshot", json={"name": "fourth"})


def _publish(api: Api, ids: dict[str, str]) -> requests.Response:
    body = {"code": "y = x + 20", "snapshotId": ids["second"], "outputParameterDefinitions": Y}
    return api.send("POST", "/services/New/V1", json=body)


def _patch(api: Api, ids: dict[str, str]) -> requests.Response:
    body = {"code": "y = x + 30", "snapshotId": ids["second"], "description": "patched"}
    return api.send("PATCH", "/services/Old/V1", json=body)


def _delete(api: Api, ids: dict[str, str]) -> requests.Response:
    return api.send("DELETE", "/services/Old/V1")


def _delete_snapshot(api: Api, ids: dict[str, str]) -> requests.Response:
    return api.send("DELETE", f"/snapshots/{ids['third']}")


@dataclass(frozen=True)
class Operation:
    """What is asked for, what there is after it, its status, and its status when it is asked for once more.

    `early` are its points at which nothing may be there yet, in their order, `late` one at which all of it must be.
    """

    act: Act
    after: Facts
    status: int
    once_more: int
    early: Sequence[str]
    late: str


# Names of the snapshots, and (description, answer) of each version.
BEFORE: Facts = {
    "snapshots": ["second", "third"],
    "versions": {"Old": (None, 11)},
}
OPERATIONS = [
    Operation(
        _snapshot,
        {"snapshots": ["second", "third", "fourth"]},
        201,
        201,
        ["snapshot.saved", "snapshot.hashed", "snapshot.renamed", "snapshot.before_commit"],
        "snapshot.committed",
    ),
    Operation(
        _publish,
        {"versions": {"Old": (None, 11), "New": (None, 22)}},
        201,
        409,
        ["publish.loaded", "publish.before_commit"],
        "publish.committed",
    ),
    Operation(
        _patch,
        {"versions": {"Old": ("patched", 32)}},
        200,
        200,
        ["patch.loaded", "patch.before_commit"],
        "patch.committed",
    ),
    Operation(_delete, {"versions": {}}, 200, 404, ["delete.before_commit"], "delete.committed"),
    Operation(
        _delete_snapshot,
        {"snapshots": ["second"]},
        200,
        404,
        ["snapshot_delete.before_commit"],
        "snapshot_delete.committed",
    ),
    Operation(_delete_snapshot, {"snapshots": ["second"]}, 200, 404, [], "collect.removing"),
    Operation(_delete_snapshot, {"snapshots": ["second"]}, 200, 404, [], "collect.removed"),
]
ELSEWHERE = {"snapshot.writing", "migrate.before_commit"}


def test_no_point_is_forgotten() -> None:
    """The points of batches have a table of their own."""
    package = Path(jupyter_deployr.__file__).parent
    sources = [path.read_text() for path in package.rglob("*.py")]
    found = {name for source in sources for name in re.findall(r'\bfail_point\("([^"]+)"\)', source)}
    tried = {point for operation in OPERATIONS for point in (*operation.early, operation.late)}
    assert {name for name in found if not name.startswith("batch.")} == tried | ELSEWHERE


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A data directory of a server that has ended, to be copied; and the ids of its snapshots by their names."""
    server = server_process.start(tmp_path_factory.mktemp("prepared"), *LIGHT)
    try:
        api = Api(server)
        first, *others = (api.snapshot(f"x = {x}", name) for x, name in enumerate(("first", "second", "third"), 1))
        api.publish("Old", "y = x + 10", "V1", snapshotId=first, outputParameterDefinitions=Y)
        api.ok("DELETE", f"/snapshots/{first}")
    finally:
        server.stop()
    return server.data_dir, dict(zip(("second", "third"), others, strict=True))


@pytest.fixture
def ids(prepared: tuple[Path, dict[str, str]], tmp_path: Path) -> dict[str, str]:
    """The ids of the snapshots in this test's own copy of the prepared directory."""
    shutil.copytree(prepared[0], tmp_path / "deployr")
    return prepared[1]


def _facts(api: Api) -> Facts:
    versions = {}
    for service in api.ok("GET", "/services"):
        answer = api.consume(f"/api/{service['name']}/V1")
        versions[service["name"]] = service["description"], answer["outputParameters"].get("y")
        assert service["broken"] is None
    return {"snapshots": [entry["name"] for entry in api.ok("GET", "/snapshots")], "versions": versions}


def _values(api: Api) -> dict[str, int]:
    """The value of x in each snapshot."""
    session = api.session()
    values = {}
    for entry in api.ok("GET", "/snapshots"):
        api.ok("POST", f"/sessions/{session}/loadsnapshot/{entry['id']}")
        values[entry["name"]] = api.execute(session, "", outputs=["x"])["outputParameters"][0]["value"]
    return values


def _eventually_whole(data_dir: Path) -> None:
    """What a retired version ran on goes a moment later than the version."""
    wait_until(lambda: blobs(data_dir) == referenced(data_dir))
    check_whole(data_dir)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.late)
def test_killed(operation: Operation, ids: dict[str, str], start_server: Start) -> None:
    for point in (*operation.early, operation.late):
        server = start_server(*LIGHT, DEPLOYR_FAIL_AT=point)
        check_whole(server.data_dir)
        api = Api(server)
        assert _facts(api) == BEFORE, f"before {point}"
        with pytest.raises(requests.ConnectionError):
            operation.act(api, ids)
        assert server.process.wait(10) == -signal.SIGKILL

    server = start_server(*LIGHT)
    check_whole(server.data_dir)
    api = Api(server)
    assert _facts(api) == BEFORE | operation.after
    assert _values(api).items() <= {"second": 2, "third": 3, "fourth": 4}.items()
    assert operation.act(api, ids).status_code == operation.once_more
    _eventually_whole(server.data_dir)


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.early], ids=lambda operation: operation.late)
def test_disk_full(operation: Operation, ids: dict[str, str], start_server: Start) -> None:
    server = start_server(*LIGHT, DEPLOYR_FAIL_AT=",".join(f"{point}:full" for point in operation.early))
    api = Api(server)
    for point in operation.early:
        refused = operation.act(api, ids)
        assert refused.status_code == 507, f"{point}: {refused.text}"
        assert refused.json()["exceptionType"] == "StorageFull"
        check_whole(server.data_dir)
        assert _facts(api) == BEFORE, f"after {point}"
    assert operation.act(api, ids).status_code == operation.status
    assert _facts(api) == BEFORE | operation.after
    _eventually_whole(server.data_dir)


# --------------------------------------------------------------------------------------- in the session's process

PASS_ON = "--ServeApp.pass_environment=DEPLOYR_FAIL_AT"


def test_a_session_killed_while_it_saves(start_server: Start) -> None:
    server = start_server(*LIGHT, PASS_ON, DEPLOYR_FAIL_AT="snapshot.writing")
    api = Api(server)
    session = api.session()
    api.execute(session, "x = 1")
    api.error("POST", f"/sessions/{session}/snapshot", 410, json={})
    assert api.ok("GET", "/snapshots") == []
    check_whole(server.data_dir)
    assert api.execute(api.session(), "1 + 1")["consoleOutput"] == "2\n"


def test_the_disk_full_while_a_session_saves(start_server: Start) -> None:
    server = start_server(*LIGHT, PASS_ON, DEPLOYR_FAIL_AT="snapshot.writing:full")
    api = Api(server)
    session = api.session()
    api.execute(session, "x = 1")
    api.error("POST", f"/sessions/{session}/snapshot", 507, json={})
    assert api.ok("GET", "/snapshots") == []
    check_whole(server.data_dir)
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    assert api.execute(api.session(snapshotId=made), "x")["consoleOutput"] == "1\n"


# ------------------------------------------------------------------------------------------------------ migrating


def _make_older(database: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()


@pytest.mark.parametrize("how", ["", ":full"])
def test_stopped_while_it_migrates(how: str, ids: dict[str, str], start_server: Start, tmp_path: Path) -> None:
    database = tmp_path / "deployr" / DATABASE
    _make_older(database)
    with pytest.raises(AssertionError, match="did not start"):
        start_server(*LIGHT, DEPLOYR_FAIL_AT=f"migrate.before_commit{how}")
    server = start_server(*LIGHT)
    assert _facts(Api(server)) == BEFORE
    check_whole(server.data_dir)
    assert database.with_name(f"{DATABASE}.0001").exists()
