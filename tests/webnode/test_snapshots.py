"""Snapshots over HTTP: made, listed, loaded, deleted, and where they end up on disk."""

from __future__ import annotations

import contextlib
import io
import json
import platform
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.api import ERROR_MEMBERS, IRIS_CODE, IRIS_SESSION, Api, definitions, publish_iris
from tests.server_process import ServerProcess
from tests.waiting import wait_until


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
    # The version's last calls may still need it, so it goes a moment later.
    wait_until(lambda: not blobs())


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


def test_the_answer_tells_size_and_largest_objects(api: Api) -> None:
    session = api.session()
    api.execute(session, "import numpy as np\nbig = np.zeros(50_000); x = 1\nopen('f.bin', 'wb').write(bytes(90_000))")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={"name": "Sized"})
    assert [entry["name"] for entry in made["largest"][:2]] == ["big", "f.bin"]
    assert made["largest"][1]["size"] == 90_000
    (entry,) = [entry for entry in api.ok("GET", "/snapshots") if entry["id"] == made["snapshotId"]]
    assert entry["largest"] == made["largest"]
    assert entry["contentSize"] == made["contentSize"] > 490_000
    assert entry["notKept"] == made["notKept"] == []
    assert entry["pythonVersion"] == platform.python_version()
    assert entry["distributions"]["numpy"] == np.__version__
    assert entry["differences"] == []


def test_only_drop_and_strict(api: Api) -> None:
    session = api.session()
    api.execute(session, "import threading\na = 1; b = 2; lock = threading.Lock()\ndef f(): return b")
    path = f"/sessions/{session}/snapshot"

    def names(**selection: Any) -> list[str]:
        made = api.ok("POST", path, 201, json=selection)
        look = "names = sorted(set(globals()) & {'a', 'b', 'f', 'lock', 'threading'})"
        fresh = api.session(snapshotId=made["snapshotId"])
        found = api.execute(fresh, look, outputs=["names"])["outputParameters"][0]["value"]
        api.ok("DELETE", f"/sessions/{fresh}")
        return list(found)

    assert names(only=["a", "f"]) == ["a", "f"]
    assert names(drop=["a", "threading"]) == ["b", "f"]
    assert names(drop=["lock"], strict=True) == ["a", "b", "f", "threading"]
    before = api.ok("GET", "/snapshots")
    refused = api.error("POST", path, 400, json={"strict": True})
    assert "lock (lock)" in refused["message"]
    refused = api.error("POST", path, 400, json={"strict": True, "drop": ["b", "lock"]})
    assert "b (int): left out, but used by f" in refused["message"]
    assert "'nothing'" in api.error("POST", path, 400, json={"only": ["nothing"]})["message"]
    assert api.ok("GET", "/snapshots") == before
    assert api.execute(session, "a")["success"]


def test_progress_comes_in_lines_while_a_long_snapshot_is_made(api: Api) -> None:
    session = api.session()
    slow = """
import time
class Slow:
    def __init__(self, size): self.size = size
    def __reduce__(self):
        time.sleep(0.3)
        return bytes, (self.size,)
parts = [Slow(1000) for _ in range(2)]; one = Slow(2000); two = Slow(3000)
"""
    api.execute(session, slow)
    response = api.send("POST", f"/sessions/{session}/snapshot", headers={"Accept": "application/x-ndjson"}, json={})
    assert (response.status_code, response.headers["content-type"]) == (201, "application/x-ndjson")
    *progress, made = [json.loads(line) for line in response.text.splitlines()]
    assert {line["name"] for line in progress} <= {"parts", "one", "two", "time", "Slow"}
    assert len(progress) >= 2
    assert [line["written"] for line in progress] == sorted(line["written"] for line in progress)
    assert made["snapshotId"] in {entry["id"] for entry in api.ok("GET", "/snapshots")}


def test_a_failure_after_progress_is_the_last_line(api: Api) -> None:
    session = api.session()
    fails = """
import threading, time
class Slow:
    def __reduce__(self):
        time.sleep(0.3)
        return bytes, (1,)
one = Slow(); two = Slow(); lock = threading.Lock()
"""
    api.execute(session, fails)
    path = f"/sessions/{session}/snapshot"
    response = api.send("POST", path, headers={"Accept": "application/x-ndjson"}, json={"strict": True})
    last = json.loads(response.text.splitlines()[-1])
    assert last.keys() == ERROR_MEMBERS
    assert (last["code"], "lock (lock)" in last["message"]) == (400, True)


def test_a_snapshot_can_be_interrupted(api: Api, tmp_path: Path) -> None:
    session = api.session()
    code = f"""
import pathlib, time
class Endless:
    def __reduce__(self):
        pathlib.Path({str(tmp_path / "begun")!r}).touch()
        while True: time.sleep(0.01)
endless = Endless()
"""
    api.execute(session, code)
    with ThreadPoolExecutor() as threads:
        pending = threads.submit(api.error, "POST", f"/sessions/{session}/snapshot", 409, json={})
        wait_until((tmp_path / "begun").exists)
        api.ok("POST", f"/sessions/{session}/cancel")
        assert "interrupted" in pending.result()["message"]
    assert api.execute(session, "del endless; 1 + 1")["consoleOutput"] == "2\n"


def test_the_zip_is_for_other_programs(api: Api, tmp_path: Path) -> None:
    session = api.session()
    code = """
import functools, numpy as np, os, threading
n = 2
def times(x): return x * n
class Point:
    def __init__(self, x): self.x = x
point = Point(3); array = np.arange(5); lock = threading.Lock()
os.makedirs("sub"); open("sub/data.txt", "w").write("kept")
"""
    api.execute(session, code)
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={"name": 'odd "näme"\r\nX: y'})
    response = api.send("GET", f"/snapshots/{made['snapshotId']}")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip")
    assert "x" not in response.headers
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {"manifest.json", "workspace.dill", "files/sub/", "files/sub/data.txt"}
        assert archive.read("files/sub/data.txt") == b"kept"
        manifest = json.loads(archive.read("manifest.json"))
        archive.extract("workspace.dill", tmp_path)
    assert manifest["python"] == platform.python_version()
    assert manifest["distributions"]["numpy"] == np.__version__
    assert [entry[:2] for entry in manifest["notKept"]] == [["lock", "lock"]]
    look = (
        "import dill; w = dill.load(open('workspace.dill', 'rb')); print(w['times'](4), w['point'].x, w['array'].sum())"
    )
    seen = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert seen.stdout == "8 3 10\n"
    api.error("GET", "/snapshots/no-such", 404)


def _fails_if(flag: Path, how: str) -> str:
    """Cells that define an object which loads until there is a file of that name."""
    return (
        f"import pathlib\nclass Fails:\n    def __setstate__(self, state):\n"
        f"        if pathlib.Path({str(flag)!r}).exists(): {how}\nfails = Fails(); fails.x = 1"
    )


def test_an_archive_leaves_nothing_behind(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)
    identity = api.snapshot("x = 1; open('f', 'w').write('1')")
    flag = server.data_dir.parent / "flag"
    crashes = f"import os\n{_fails_if(flag, 'os._exit(7)')}"
    crashing = api.snapshot(crashes)
    flag.touch()
    for _ in range(2):
        assert api.send("GET", f"/snapshots/{identity}").status_code == 200
    assert "exit code 7" in api.error("GET", f"/snapshots/{crashing}", 502)["message"]
    wait_until(lambda: not [path for path in (server.data_dir / "scratch").iterdir() if path.name.startswith("draft")])


def test_differing_packages_are_told_where_a_snapshot_is_used(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)
    identity = api.snapshot("import numpy as np\nx = np.arange(3)")
    with contextlib.closing(sqlite3.connect(server.data_dir / "deployr.sqlite3")) as database:
        (text,) = database.execute("SELECT manifest FROM snapshots").fetchone()
        made = json.loads(text) | {"distributions": {"numpy": "1.0.0", "gone": "2.0"}}
        database.execute("UPDATE snapshots SET manifest = ?", [json.dumps(made)])
        database.commit()
    expected = ["gone 2.0 is not installed on the server.", f"numpy 1.0.0 was used; the server has {np.__version__}."]
    (entry,) = api.ok("GET", "/snapshots")
    assert sorted(entry["differences"]) == expected
    session = api.session()
    assert sorted(api.ok("POST", f"/sessions/{session}/loadsnapshot/{identity}")["differences"]) == expected
    created = api.ok("POST", "/sessions", 201, json={"snapshotId": identity})
    assert sorted(created["differences"]) == expected
    assert api.ok("POST", "/sessions", 201, json={}).keys() == {"sessionId"}


def test_random_states_come_back_in_sessions(api: Api) -> None:
    session = api.session()
    api.execute(session, "import random, numpy as np\nrandom.seed(3); np.random.seed(4)")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    draw = "drawn = [random.random(), float(np.random.random())]"
    expected = api.execute(session, draw, outputs=["drawn"])["outputParameters"]
    assert api.execute(api.session(snapshotId=made), draw, outputs=["drawn"])["outputParameters"] == expected
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{made}")
    assert api.execute(session, draw, outputs=["drawn"])["outputParameters"] == expected


def test_names_with_underscores_and_names_of_ipythons_come_back(api: Api) -> None:
    code = "__version__ = '1'; _7 = 7; exit = 3; In = [4]\ndef __helper(): return 5\ndef use(): return __helper()"
    session = api.session(snapshotId=api.snapshot(code))
    look = "found = [__version__, _7, exit, In, use()]"
    assert api.execute(session, look, outputs=["found"])["outputParameters"][0]["value"] == ["1", 7, 3, [4], 5]


def test_empty_folders_come_back(api: Api) -> None:
    session = api.session(snapshotId=api.snapshot("import os; os.makedirs('out/plots'); os.makedirs('other')"))
    answer = api.execute(session, "import os; found = sorted(os.listdir() + os.listdir('out'))", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == ["other", "out", "plots"]


@pytest.mark.parametrize("way", ["raw/", "./raw", "raw/deep/../deep"])
def test_a_folder_is_dropped_however_it_is_written(api: Api, way: str) -> None:
    session = api.session()
    api.execute(session, "import os; os.makedirs('raw/deep'); open('raw/deep/s.csv', 'w').write('secret')")
    path = f"/sessions/{session}/snapshot"
    if ".." in way:
        api.error("POST", path, 400, json={"drop": [way]})
        return
    made = api.ok("POST", path, 201, json={"drop": [way]})
    assert not [entry for entry in made["largest"] if "raw" in entry["name"]]
    with zipfile.ZipFile(io.BytesIO(api.send("GET", f"/snapshots/{made['snapshotId']}").content)) as archive:
        assert not [name for name in archive.namelist() if "raw" in name]


def test_loading_replaces_links_and_pipes_and_follows_none(api: Api, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    made = api.snapshot("for name in ('link', 'pipe'): open(name, 'w').write('snapshot')")
    session = api.session()
    api.execute(session, f"import os; os.symlink({str(tmp_path / 'precious')!r}, 'link'); os.mkfifo('pipe')")
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{made}")
    look = "found = [os.path.islink('link'), open('link').read(), open('pipe').read()]"
    answer = api.execute(session, look, outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [False, "snapshot", "snapshot"]
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize(
    ("saved", "there"),
    [
        ("os.mkdir('x'); open('x/y', 'w').close()", "open('x', 'w').close()"),
        ("open('x', 'w').close()", "os.mkdir('x')"),
        ("os.mkdir('x'); open('x/y', 'w').close()", "os.symlink('/', 'x')"),
    ],
)
def test_a_load_that_cannot_be_is_refused_before_it_begins(api: Api, saved: str, there: str) -> None:
    made = api.snapshot(f"import os; open('a', 'w').write('snapshot'); n = 2\n{saved}")
    session = api.session()
    api.execute(session, f"import os; open('a', 'w').write('session'); n = 1\n{there}")
    fault = api.error("POST", f"/sessions/{session}/loadsnapshot/{made}", 400)
    assert "'x' where the snapshot has a" in fault["message"]
    answer = api.execute(session, "found = [n, open('a').read()]", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [1, "session"]


def test_names_are_merged_all_or_none(api: Api, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    made = api.snapshot(f"n = 2; fresh = 3\n{_fails_if(flag, '1 / 0')}")
    flag.touch()
    session = api.session()
    api.execute(session, "n = 1")
    assert "'fails'" in api.error("POST", f"/sessions/{session}/loadsnapshot/{made}", 400)["message"]
    answer = api.execute(session, "found = [n, 'fresh' in globals()]", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [1, False]
