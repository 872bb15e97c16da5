"""Snapshots over HTTP: made, listed, loaded, deleted, and where they end up on disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.api import IRIS_CODE, IRIS_SESSION, Api, definitions, publish_iris
from tests.server_process import ServerProcess


def test_a_snapshot_is_listed_until_it_is_deleted(api: Api) -> None:
    identity = api.snapshot("x = list(range(100))", "Hundred")
    (entry,) = [entry for entry in api.ok("GET", "/snapshots") if entry["id"] == identity]
    assert entry["name"] == "Hundred"
    assert entry["owner"] == "admin"
    assert datetime.fromisoformat(entry["creationTime"]).tzinfo is None
    assert entry["contentSize"] > 100
    assert isinstance(api.ok("DELETE", f"/snapshots/{identity}"), str)
    assert identity not in {entry["id"] for entry in api.ok("GET", "/snapshots")}
    api.error("DELETE", f"/snapshots/{identity}", 404)


def test_what_cannot_be_kept_is_named(api: Api) -> None:
    session = api.session()
    api.execute(session, "import threading\nlock = threading.Lock()\nuses = {'it': lock}\nkept = 1")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={"name": None})
    assert {entry["name"]: entry["type"] for entry in made["notKept"]} == {"lock": "lock", "uses": "dict"}
    assert all(entry["reason"] for entry in made["notKept"])
    fresh = api.session(snapshotId=made["snapshotId"])
    assert api.execute(fresh, "kept")["consoleOutput"] == "1\n"
    assert not api.execute(fresh, "uses")["success"]


def test_names_functions_and_files_come_back(api: Api) -> None:
    code = """
import math
limit = 10
def capped(x): return min(x, limit)
class Box:
    def __init__(self, items): self.items = items
box = Box([1]); alias = box.items
import os; os.makedirs("sub"); open("sub/data.txt", "w").write("kept")
"""
    session = api.session(snapshotId=api.snapshot(code))
    check = """
limit = 5
alias.append(2)
result = [capped(7), box.items, open("sub/data.txt").read(), math.floor(2.5), type(box).__name__]
"""
    answer = api.execute(session, check, outputs=["result"])
    assert answer["outputParameters"] == [{"name": "result", "value": [5, [1, 2], "kept", 2, "Box"]}]


def test_loading_merges_into_a_live_session(api: Api) -> None:
    snapshot = api.snapshot("a = 1; b = 1; open('f.txt', 'w').write('old')")
    session = api.session()
    api.execute(session, "b = 2; c = 2; open('f.txt', 'w').write('new')")
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{snapshot}")
    answer = api.execute(session, "result = [a, b, c, open('f.txt').read()]", outputs=["result"])
    assert answer["outputParameters"][0]["value"] == [1, 1, 2, "old"]
    api.error("POST", f"/sessions/{session}/loadsnapshot/no-such", 404)


def test_arrays_are_writable_and_the_file_stays_as_it_was(api: Api) -> None:
    snapshot = api.snapshot("import numpy as np\nbig = np.arange(100_000.0)")
    for _ in range(2):
        session = api.session(snapshotId=snapshot)
        answer = api.execute(session, "first = big[0]; big[0] = -1; now = big[0]", outputs=["first", "now"])
        assert [entry["value"] for entry in answer["outputParameters"]] == [0.0, -1.0]


def test_a_link_in_the_working_directory_is_not_followed(api: Api) -> None:
    session = api.session()
    api.execute(session, "import os\nos.symlink('/etc/passwd', 'link'); os.mkfifo('pipe'); open('f', 'w').write('x')")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert {entry["name"] for entry in made["notKept"]} == {"link", "pipe"}
    fresh = api.session(snapshotId=made["snapshotId"])
    answer = api.execute(fresh, "import os; found = sorted(os.listdir())", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == ["f"]


def test_a_version_outlives_the_snapshot_it_was_published_from(api: Api) -> None:
    snapshot = api.snapshot(IRIS_SESSION)
    path = api.publish(
        "Outlives",
        IRIS_CODE,
        snapshotId=snapshot,
        inputParameterDefinitions=definitions(flower_data="vector"),
        outputParameterDefinitions=definitions(iris_species="vector"),
    )
    api.ok("DELETE", f"/snapshots/{snapshot}")
    assert api.consume(path, flower_data=[7, 3.2, 4.7, 1.4])["success"]
    (service,) = api.ok("GET", "/services/Outlives/V1.0")
    assert service["snapshotId"] == snapshot


def test_content_is_kept_once_and_as_long_as_something_needs_it(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)

    def blobs() -> list[str]:
        return sorted(path.name for path in (server.data_dir / "blobs").glob("??/*"))

    session = api.session()
    api.execute(session, "x = 1")
    first, second = (api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"] for _ in range(2))
    assert len(blobs()) == 1
    api.publish("Uses", "y = x", snapshotId=first)
    api.ok("DELETE", f"/snapshots/{first}")
    api.ok("DELETE", f"/snapshots/{second}")
    assert len(blobs()) == 1
    api.ok("DELETE", "/services/Uses/V1.0")
    assert blobs() == []


def test_an_orphaned_file_is_gone_after_the_next_start(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    path = publish_iris(Api(server))
    server.kill()
    orphan = server.data_dir / "blobs" / "00" / "orphan"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("left by a crash")
    again = start_server()
    assert not orphan.exists()
    assert Api(again).consume(path, flower_data=[7, 3.2, 4.7, 1.4])["success"]


@pytest.mark.parametrize("body", [[], {"name": 5}, "x"])
def test_malformed_requests(api: Api, body: object) -> None:
    session = api.session()
    api.error("POST", f"/sessions/{session}/snapshot", 400, json=body)
    api.ok("DELETE", f"/sessions/{session}")
