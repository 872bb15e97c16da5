"""Versions and snapshots whose content is damaged, missing, or of another Python."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_deployr.computenode.snapshot import FOOTER
from jupyter_deployr.magics.listing import ServiceListing
from jupyter_deployr.protocol.models import WebService
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.data_directory import DATABASE, blob, blobs, digest_of

Start = Callable[..., ServerProcess]

Y = definitions(y="integer")
DAMAGED_SNAPSHOT = "is damaged: delete it and save it anew"
DAMAGED, MISSING = "is damaged: publish the version again", "is missing: publish the version again"


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def _flip_a_bit_of(path: Path, value: float) -> None:
    """Of that double, in the file that workers have mapped."""
    pattern = struct.pack("<d", value)
    content = path.read_bytes()
    assert content.count(pattern) == 1
    path.chmod(0o600)
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), bytes([pattern[0], pattern[1] ^ 1]), content.index(pattern))


def _cut_short(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])


def _link_to_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "one bit": (_flip_a_bit, DAMAGED),
    "cut short": (_cut_short, DAMAGED),
    "missing": (Path.unlink, MISSING),
    "a link to a device": (_link_to_a_device, DAMAGED),
    "a pipe": (_pipe, DAMAGED),
}


def _shown_as_broken(api: Api, name: str) -> str:
    """What a version's metadata says, once the server has looked at it."""
    wait_until(lambda: api.ok("GET", f"/services/{name}/V1.0")[0]["broken"])
    return str(api.ok("GET", f"/services/{name}/V1.0")[0]["broken"])


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_version_is_shown_and_heals_when_it_is_published_again(kind: str, start_server: Start) -> None:
    damage, said = DAMAGES[kind]
    server = start_server()
    api = Api(server)
    bad, good = api.snapshot("x = 1", "bad one"), api.snapshot("x = 2")
    path = api.publish("Bad", "y = x", snapshotId=bad, outputParameterDefinitions=Y)
    beside = api.publish("Bad", "y = x", "V2", snapshotId=good, outputParameterDefinitions=Y)
    other = api.publish("Good", "y = x", snapshotId=good, outputParameterDefinitions=Y)
    server.terminate()
    with closing(sqlite3.connect(server.data_dir / DATABASE)) as database:
        ((digest,),) = database.execute("SELECT digest FROM versions WHERE name = 'Bad' AND version = 'V1.0'")
    damage(blob(server.data_dir, digest))

    server = start_server()
    api = Api(server)
    # Without a call: somebody may look before the first customer does.
    broken = _shown_as_broken(api, "Bad")
    assert broken.endswith(f"{said}.")
    fault = api.error("POST", path, 500, json={})
    assert fault["exceptionType"] == "ServerFault"
    assert fault["message"] == f"Bad V1.0 is broken. {broken}"
    assert "retry-after" not in api.send("POST", path, json={}).headers
    assert str(server.data_dir) not in json.dumps([fault, broken])
    assert [api.consume(each)["outputParameters"]["y"] for each in (beside, other)] == [2, 2]
    assert {service["version"]: service["broken"] for service in api.ok("GET", "/services/Bad")} == {
        "V1.0": broken,
        "V2": None,
    }
    details = api.ok("GET", "/status")["details"]
    assert (details["services"], details["brokenServices"]) == (3, 1)

    session = api.session()
    body: dict[str, Any] = {"code": "y = 1", "snapshotId": bad}
    for method, route, given in (
        ("POST", "/services/Another/V1", body),
        ("POST", f"/sessions/{session}/loadsnapshot/{bad}", None),
        ("POST", "/sessions", {"snapshotId": bad}),
        ("GET", f"/snapshots/{bad}", None),
        ("PATCH", "/services/Good/V1.0", body),
    ):
        assert "'bad one'" in api.error(method, route, 500, json=given)["message"]
    # A patch of its code alone has no workspace to run in; one of its description needs none.
    assert "is broken" in api.error("PATCH", "/services/Bad/V1.0", 500, json={"code": "y = 5"})["message"]
    api.ok("PATCH", "/services/Bad/V1.0", json={"description": "broken"})
    assert api.consume(other)["outputParameters"]["y"] == 2

    api.ok("PATCH", "/services/Bad/V1.0", json={"snapshotId": api.snapshot("x = 3")})
    assert api.consume(path)["outputParameters"] == {"y": 3}
    (service,) = api.ok("GET", "/services/Bad/V1.0")
    assert (service["broken"], service["description"]) == (None, "broken")


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_same_content_saved_again_heals_what_was_published_from_it(kind: str, start_server: Start) -> None:
    damage, _ = DAMAGES[kind]
    server = start_server("--ServeApp.workers=1")
    api = Api(server)
    session = api.session()
    api.execute(session, "x = 1")
    first = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    path = api.publish("Same", "y = x", snapshotId=first, outputParameterDefinitions=Y)
    digest = digest_of(server.data_dir, "Same")
    damage(blob(server.data_dir, digest))
    api.error("POST", "/sessions", 500, json={"snapshotId": first})
    assert "is broken" in api.error("POST", path, 500, json={})["message"]

    second = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    assert hashlib.sha256(blob(server.data_dir, digest).read_bytes()).hexdigest() == digest
    (service,) = api.ok("GET", "/services/Same/V1.0")
    assert service["broken"] is None
    assert api.consume(path)["outputParameters"] == {"y": 1}
    for snapshot in (first, second):
        assert api.execute(api.session(snapshotId=snapshot), "x")["consoleOutput"] == "1\n"


ARRAY = "import numpy\na = numpy.arange(30_000, dtype=float) + 0.37"
NUMBER = 20_000.37


@pytest.mark.parametrize("finder", ["a session", "a download", "nobody", "the same content saved again"])
def test_no_worker_goes_on_with_a_content_that_was_damaged_under_it(finder: str, start_server: Start) -> None:
    server = start_server("--ServeApp.workers=1")
    api = Api(server)
    session = api.session()
    api.execute(session, ARRAY)

    def snapshot() -> str:
        return str(api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"])

    first = snapshot()
    members = {"snapshotId": first, "outputParameterDefinitions": definitions(y="numeric")}
    paths = [api.publish("Flipped", "y = float(a[20_000])", version, **members) for version in ("V1.0", "V2")]
    api.publish("Beside", "y = 1.0", outputParameterDefinitions=definitions(y="numeric"))
    assert [api.consume(path)["outputParameters"]["y"] for path in paths] == [NUMBER, NUMBER]

    (digest,) = blobs(server.data_dir)
    _flip_a_bit_of(blob(server.data_dir, digest), NUMBER)
    if finder == "a session":
        assert DAMAGED_SNAPSHOT in api.error("POST", "/sessions", 500, json={"snapshotId": first})["message"]
    elif finder == "a download":
        assert DAMAGED_SNAPSHOT in api.error("GET", f"/snapshots/{first}", 500)["message"]
    elif finder == "nobody":
        # Without a restart, and without anybody who loads it anew.
        _shown_as_broken(api, "Flipped")
    if not finder.startswith("the same"):
        for service in api.ok("GET", "/services/Flipped"):
            assert service["broken"].endswith(f"{DAMAGED}.")
        for path in paths:
            assert "is broken" in api.error("POST", path, 500, json={})["message"]
        (shown,) = api.ok("GET", "/snapshots")
        assert DAMAGED_SNAPSHOT in shown["broken"]
    assert api.consume("/api/Beside/V1.0")["outputParameters"] == {"y": 1.0}

    snapshot()
    assert [service["broken"] for service in api.ok("GET", "/services/Flipped")] == [None, None]
    assert [each["broken"] for each in api.ok("GET", "/snapshots")] == [None, None]
    assert [api.consume(path)["outputParameters"]["y"] for path in paths] == [NUMBER, NUMBER]


def test_calls_that_run_on_a_damaged_content_are_not_answered_with_its_numbers(start_server: Start) -> None:
    server = start_server("--ServeApp.workers=1")
    api = Api(server)
    code = f"import pathlib, time\npathlib.Path({str(server.data_dir / 'begun')!r}).touch()\ntime.sleep(60)\ny = 1"
    path = api.publish("Slow", code, snapshotId=api.snapshot("x = 1"), outputParameterDefinitions=Y)
    answers: list[dict[str, Any]] = []
    calls = [
        threading.Thread(target=lambda: answers.append(Api(server).error("POST", path, 500, json={}))) for _ in range(3)
    ]
    for call in calls:
        call.start()
    wait_until((server.data_dir / "begun").exists)
    _flip_a_bit(blob(server.data_dir, digest_of(server.data_dir, "Slow")))
    for call in calls:
        call.join()
    assert [answer["message"].startswith("Slow V1.0 is broken. ") for answer in answers] == [True] * 3


HANDED_OVER = {
    "a pipe": "os.mkfifo(path)",
    "a link to a device": "os.symlink('/dev/zero', path)",
    "an empty file": "open(path, 'w').close()",
    "nothing": "pass",
}


@pytest.mark.parametrize("what", HANDED_OVER)
def test_a_session_that_hands_over_no_snapshot(api: Api, server: ServerProcess, what: str) -> None:
    """Its code can put anything where the server will look for the file; nothing waits for it or is kept of it."""
    session = api.session()
    replace = f"""
import os
import jupyter_deployr.computenode.kernel as kernel
def save(path, *_, **__):
    {HANDED_OVER[what]}
kernel.save = save
"""
    assert api.execute(session, replace)["success"]
    before = len(api.ok("GET", "/snapshots"))
    assert "not saved" in api.error("POST", f"/sessions/{session}/snapshot", 500, json={})["message"]
    assert len(api.ok("GET", "/snapshots")) == before
    assert not list((server.data_dir / "scratch").glob("draft-*"))
    api.ok("DELETE", f"/sessions/{session}/force")


def _made_by(data_dir: Path, digest: str, python: str) -> None:
    """Have the content of that digest, and all that refers to it, be of another Python."""
    path = blob(data_dir, digest)
    content = path.read_bytes()
    start, length, magic = FOOTER.unpack(content[-FOOTER.size :])
    index = json.loads(content[start : start + length])
    index["manifest"]["python"] = python
    text = json.dumps(index).encode()
    content = content[:start] + text + FOOTER.pack(start, len(text), magic)
    other = hashlib.sha256(content).hexdigest()
    target = blob(data_dir, other)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    with closing(sqlite3.connect(data_dir / DATABASE)) as database, database:
        for table in ("snapshots", "versions"):
            database.execute(f"UPDATE {table} SET digest = ? WHERE digest = ?", [other, digest])


def test_a_version_of_another_python_says_which(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    snapshot = api.snapshot("x = 1")
    path = api.publish("Old", "y = x", snapshotId=snapshot, outputParameterDefinitions=Y)
    server.terminate()
    _made_by(server.data_dir, digest_of(server.data_dir, "Old"), "3.8.19")

    api = Api(start_server())
    broken = _shown_as_broken(api, "Old")
    assert "made by Python 3.8.19" in broken
    assert "run the server with Python 3.8, or make the snapshot again" in broken
    assert broken in api.error("POST", path, 500, json={})["message"]
    for route, body in (
        ("/services/New/V1", {"code": "y = x", "snapshotId": snapshot}),
        ("/sessions", {"snapshotId": snapshot}),
    ):
        assert "made by Python 3.8.19" in api.error("POST", route, 400, json=body)["message"]
    api.ok("PATCH", "/services/Old/V1.0", json={"snapshotId": api.snapshot("x = 2")})
    assert api.consume(path)["outputParameters"] == {"y": 2}


def test_a_notebook_marks_what_is_broken() -> None:
    listing = ServiceListing([WebService("Iris", "<V1>", broken="Its snapshot is gone."), WebService("Iris", "V2")])
    page = listing._repr_html_()
    assert "&lt;V1&gt; (broken)<" in page
    assert ">V2<" in page
