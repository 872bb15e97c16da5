"""A disk that is really full: everything that needs space says so with 507, nothing is lost, and it heals."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.data_directory import blobs, check_whole, referenced

_MEGABYTES = 80
# More than what ends meanwhile may leave free, and than the database has room for in its log.
_LARGE = 6 << 20
_DETACH = 2


def _mount(directory: Path) -> bool:
    """A small disk of its own at `directory`; False where this account may not mount one."""
    size = f"size={_MEGABYTES}m".encode()
    return ctypes.CDLL(None).mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, size) == 0


def _unmount(directory: Path) -> None:
    ctypes.CDLL(None).umount2(os.fsencode(directory), _DETACH)


def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        mounted = _mount(Path(directory))
        if mounted:
            _unmount(Path(directory))
        return mounted


# What can't be had here isn't in the list; the fail points try the same steps everywhere.
DISKS = ["tmpfs"] if _can_mount() else []


def _written(file: FileIO, size: int) -> bool:
    try:
        file.write(bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


class Disk:
    """A small disk that can be filled to the brim."""

    def __init__(self, directory: Path) -> None:
        self._ballast = directory / "ballast"

    def fill(self) -> None:
        """Not a byte is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                while _written(file, size):
                    pass

    def free(self) -> None:
        """There is space again."""
        self._ballast.unlink()


@pytest.fixture(params=DISKS, scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Disk, Path]]:
    """The disk, and where it is mounted."""
    directory = tmp_path_factory.mktemp("small")
    assert _mount(directory)
    yield Disk(directory), directory
    _unmount(directory)


@pytest.fixture(scope="module")
def server(disk: tuple[Disk, Path]) -> Iterator[ServerProcess]:
    """A server with everything it has on the small disk, its log too. It has a version, whose workers don't run yet."""
    options = "--ServeApp.warm_sessions=0", "--ServeApp.workers=1"
    first = server_process.start(disk[1], *options)
    try:
        api = Api(first)
        snapshot = api.snapshot("x = 1\nopen('data.txt', 'w').write('d' * 100_000)", "kept")
        code = "y = x + len(open('data.txt').read())"
        api.publish("Kept", code, "V1", snapshotId=snapshot, outputParameterDefinitions=definitions(y="integer"))
    finally:
        first.stop()
    running = server_process.start(disk[1], *options)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Api:
    return Api(server)


@pytest.fixture(scope="module")
def ids(api: Api) -> dict[str, str]:
    """A session that has something to save, and the snapshot of the version."""
    (entry,) = api.ok("GET", "/snapshots")
    session = api.session(snapshotId=entry["id"])
    return {"session": session, "snapshot": entry["id"]}


def test_a_call_that_needs_a_worker(api: Api, disk: tuple[Disk, Path], server: ServerProcess) -> None:
    """The first test here: afterwards the worker is there."""
    disk[0].fill()
    try:
        fault = api.error("POST", "/api/Kept/V1", 507, json={})
        assert fault["exceptionType"] == "StorageFull"
        (service,) = api.ok("GET", "/services/Kept/V1")
        assert service["broken"] is None
        assert server.process.poll() is None
    finally:
        disk[0].free()
    assert api.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}


def _login(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", "/login", {"username": "admin", "password": server_process.PASSWORD}


def _renew(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    tokens = api.http.post(f"{api.url}/login", json=_login(api, ids)[2], timeout=60).json()
    return "POST", "/login/refreshToken", {"refreshToken": tokens["refresh_token"]}


def _snapshot(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", f"/sessions/{ids['session']}/snapshot", {}


def _load(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", f"/sessions/{api.session()}/loadsnapshot/{ids['snapshot']}", None


def _open(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", "/sessions", {"snapshotId": ids["snapshot"]}


def _export(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "GET", f"/snapshots/{ids['snapshot']}", None


def _publish(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", "/services/New/V1", {"code": "y = x", "snapshotId": ids["snapshot"]}


def _publish_alone(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "POST", "/services/Alone/V1", {"code": "y = 1", "description": "d" * _LARGE}


def _publish_init(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    init = "open('made.txt', 'w').write('m' * 100_000)"
    return "POST", "/services/Init/V1", {"code": "y = 1", "initCode": init}


def _patch(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "PATCH", "/services/Kept/V1", {"initCode": "z = 1"}


def _describe(api: Api, ids: dict[str, str]) -> tuple[str, str, object]:
    return "PATCH", "/services/Kept/V1", {"description": "e" * 3 * _LARGE}


NEEDING = [_login, _snapshot, _load, _open, _export, _publish, _publish_alone, _publish_init, _patch, _describe]


@pytest.mark.parametrize("asking", NEEDING, ids=lambda asking: asking.__name__.strip("_"))
def test_what_needs_space(
    asking: Callable[[Api, dict[str, str]], tuple[str, str, object]],
    api: Api,
    ids: dict[str, str],
    disk: tuple[Disk, Path],
    server: ServerProcess,
) -> None:
    method, path, body = asking(api, ids)
    api.consume("/api/Kept/V1")
    services, snapshots = api.ok("GET", "/services"), api.ok("GET", "/snapshots")
    disk[0].fill()
    try:
        fault = api.error(method, path, 507, json=body)
        assert fault["exceptionType"] == "StorageFull"
        assert api.ok("GET", "/services") == services
        assert api.ok("GET", "/snapshots") == snapshots
        assert api.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}
        assert server.process.poll() is None
    finally:
        disk[0].free()
    check_whole(server.data_dir)
    assert api.send(method, path, json=body).ok
    assert api.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}


def test_something_can_be_deleted(
    api: Api, ids: dict[str, str], disk: tuple[Disk, Path], server: ServerProcess
) -> None:
    """What frees space must not need any."""
    snapshots = []
    for number in range(3):
        api.execute(ids["session"], f"x = {number}")
        snapshots.append(api.ok("POST", f"/sessions/{ids['session']}/snapshot", 201, json={})["snapshotId"])
        api.publish("Doomed", "y = x", f"V{number}", snapshotId=snapshots[-1], description="d" * 20_000)
    disk[0].fill()
    try:
        for number, snapshot in enumerate(snapshots):
            api.ok("DELETE", f"/snapshots/{snapshot}")
            api.ok("DELETE", f"/services/Doomed/V{number}")
        assert api.ok("GET", "/services/Doomed") == []
        wait_until(lambda: blobs(server.data_dir) == referenced(server.data_dir))
    finally:
        disk[0].free()
    check_whole(server.data_dir)


@pytest.mark.parametrize("kind", DISKS)
def test_a_server_that_starts_on_a_full_disk_says_why(kind: str, tmp_path: Path) -> None:
    assert _mount(tmp_path)
    disk = Disk(tmp_path)
    try:
        disk.fill()
        with pytest.raises(AssertionError, match="did not start"):
            server_process.start(tmp_path)
        disk.free()
        again = server_process.start(tmp_path)
        try:
            Api(again)
        finally:
            again.stop()
    finally:
        _unmount(tmp_path)
