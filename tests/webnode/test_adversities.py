"""A database, directories and addresses that are not as a server would like them."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.webnode.data_directory import DATABASE, check_whole

Start = Callable[..., ServerProcess]

Y = definitions(y="integer")
BUSY = "--ServeApp.database_busy_seconds=1"


# --------------------------------------------------------------------------------------------------- the database


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Another process writes all the time."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def test_a_locked_database_is_waited_for_then_503(start_server: Start) -> None:
    server = start_server(BUSY)
    api = Api(server)
    snapshot = api.snapshot("x = 1")
    path = api.publish("Kept", "y = x", snapshotId=snapshot, outputParameterDefinitions=Y)
    api.publish("Leaves", "y = 1")
    session = api.session()
    writing = {
        "login": ("POST", "/login", {"username": "admin", "password": server.password}),
        "publish": ("POST", "/services/New/V1", {"code": "y = 1"}),
        "patch": ("PATCH", "/services/Kept/V1.0", {"description": "new"}),
        "delete": ("DELETE", "/services/Leaves/V1.0", None),
        "snapshot": ("POST", f"/sessions/{session}/snapshot", {}),
        "delete a snapshot": ("DELETE", f"/snapshots/{snapshot}", None),
    }
    with _locked(server.data_dir / DATABASE):
        before = api.ok("GET", "/services"), api.ok("GET", "/snapshots")
        for what, (method, route, body) in writing.items():
            began = time.monotonic()
            refused = api.send(method, route, json=body)
            assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1"), what
            assert time.monotonic() - began >= 0.9, f"{what} does not wait"
        assert (api.ok("GET", "/services"), api.ok("GET", "/snapshots")) == before
        assert api.consume(path)["outputParameters"] == {"y": 1}
    check_whole(server.data_dir)
    for what, (method, route, body) in writing.items():
        assert api.send(method, route, json=body).ok, what


def test_no_update_is_lost_to_a_lock_that_is_let_go_in_time(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    api.publish("Kept", "y = 1")
    answers = []
    with _locked(server.data_dir / DATABASE):
        patching = threading.Thread(
            target=lambda: answers.append(api.send("PATCH", "/services/Kept/V1.0", json={"description": "new"}))
        )
        patching.start()
        patching.join(0.5)
        assert patching.is_alive()
    patching.join(30)
    assert answers[0].ok
    (service,) = Api(server).ok("GET", "/services/Kept/V1.0")
    assert service["description"] == "new"


def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    path = api.publish("Kept", "y = 1", outputParameterDefinitions=Y)
    database = server.data_dir / DATABASE
    aside = database.with_name("aside")
    database.rename(aside)
    for method, route, body in (
        ("POST", "/login", {"username": "admin", "password": server.password}),
        ("POST", "/services/New/V1", {"code": "y = 1"}),
        ("DELETE", "/services/Kept/V1.0", None),
        ("GET", "/snapshots", None),
    ):
        assert "database file is gone" in api.error(method, route, 500, json=body)["message"]
    assert api.consume(path)["outputParameters"] == {"y": 1}
    assert not database.exists()
    aside.rename(database)
    api.publish("New", "y = 1")
    check_whole(server.data_dir)


def test_a_damaged_database_is_refused_at_the_start(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    server.terminate()
    database = server.data_dir / DATABASE
    database.write_bytes(b"no database at all, " * 1000)
    assert "the database can't be opened: " in _refused(tmp_path)


# ------------------------------------------------------------------------------------------------- the permissions


# The administrator of a machine may write everywhere; run behind this, the server may not.
AS_OTHERS_RUN_IT = (
    sys.executable,
    "-c",
    """
import ctypes, os, sys
read_drop, override = 24, 1
if os.getuid() == 0 and ctypes.CDLL(None).prctl(read_drop, override, 0, 0, 0):
    sys.exit("the right to write everywhere can't be given up")
os.execv(sys.argv[1], sys.argv[1:])
""",
)


def _refused(home: Path) -> str:
    """The one line that a server which can't start leaves on stderr."""
    command = [sys.executable, "-m", "jupyter_deployr", "serve", "--port", "0", "--data-dir", str(home / "deployr")]
    ended = subprocess.run(
        [*AS_OTHERS_RUN_IT, *command],
        env=server_process.environment(home, DEPLOYR_ADMIN_PASSWORD=server_process.PASSWORD),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.strip().splitlines() if " WARNING " not in line]
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("", "the data directory {} can't be used: Permission denied"),
        (DATABASE, f"the database can't be opened: {{}}/{DATABASE} can't be written"),
        ("scratch", "{}/scratch can't be emptied"),
    ],
    ids=["the data directory", "the database", "the scratch directory"],
)
def test_what_cannot_be_written_is_told_in_one_line(
    start_server: Start, tmp_path: Path, place: str, reason: str
) -> None:
    server = start_server()
    server.terminate()
    path = server.data_dir / place
    if place == "scratch":
        path.mkdir()
        (path / "something").touch()
    mode = path.stat().st_mode
    (server.data_dir / "server.lock").unlink(missing_ok=True)
    path.chmod(0o500)
    try:
        assert _refused(tmp_path) == f"jupyter deployr: {reason.format(server.data_dir)}"
    finally:
        path.chmod(mode)
    Api(start_server())


def test_a_data_directory_that_is_read_only_meanwhile(start_server: Start) -> None:
    server = start_server(wrapper=AS_OTHERS_RUN_IT)
    api = Api(server)
    path = api.publish("Kept", "y = 1", outputParameterDefinitions=Y)
    session = api.session()
    closed = [server.data_dir, server.data_dir / "blobs", server.data_dir / "scratch"]
    for each in closed:
        each.chmod(0o500)
    try:
        assert "operator" in api.error("POST", "/services/New/V1", 500, json={"code": "y = 1"})["message"]
        assert api.send("POST", f"/sessions/{session}/snapshot", json={}).status_code == 500
        assert api.consume(path)["outputParameters"] == {"y": 1}
    finally:
        for each in closed:
            each.chmod(0o700)
    api.publish("New", "y = 1")
    api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})


def test_a_home_and_places_for_temporary_files_that_are_read_only(start_server: Start, tmp_path: Path) -> None:
    closed = [tmp_path / name for name in ("home", "runtime", "config", "data", "temporary")]
    for each in closed:
        each.mkdir(mode=0o500)
    try:
        server = start_server(wrapper=AS_OTHERS_RUN_IT, HOME=str(closed[0]), TMPDIR=str(closed[-1]))
        api = Api(server)
        path = api.publish("Kept", "y = x", snapshotId=api.snapshot("x = 1"), outputParameterDefinitions=Y)
        assert api.consume(path)["outputParameters"] == {"y": 1}
        assert [name for each in closed for name in each.iterdir()] == []
        assert server.terminate() == 0
    finally:
        for each in closed:
            each.chmod(0o700)


# ---------------------------------------------------------------------------------------------------- the network


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", *(["::1"] if _has_ipv6() else [])])
def test_addresses(start_server: Start, address: str) -> None:
    api = Api(start_server("--ip", address))
    assert api.consume(api.publish("Kept", "y = 1", outputParameterDefinitions=Y))["outputParameters"] == {"y": 1}
