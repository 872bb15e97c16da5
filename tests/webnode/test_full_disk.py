"""A disk that is really full: everything that needs space says so with 507, nothing is lost, and it heals."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import dill
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
    """A session that has something to save, another one, and the snapshot of the version."""
    (entry,) = api.ok("GET", "/snapshots")
    session = api.session(snapshotId=entry["id"])
    return {"session": session, "spare": api.session(), "snapshot": entry["id"]}


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


Asked = tuple[str, str, dict[str, Any]]


def _upload(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{ids['spare']}/files", {"files": {"file": ("up.bin", b"u" * 1000)}}


def _upload_large(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{ids['spare']}/files", {"files": {"file": ("large.bin", bytes(_LARGE))}}


def _object(size: int) -> dict[str, Any]:
    return {"data": dill.dumps(bytes(size)), "headers": {"Content-Type": "application/octet-stream"}}


def _set_object(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{ids['spare']}/workspace/small", _object(1000)


def _set_large_object(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{ids['spare']}/workspace/large", _object(_LARGE)


def _get_object(api: Api, ids: dict[str, str]) -> Asked:
    return "GET", f"/sessions/{ids['session']}/workspace/x", {}


def _snapshot(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{ids['session']}/snapshot", {"json": {}}


def _load(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", f"/sessions/{api.session()}/loadsnapshot/{ids['snapshot']}", {}


def _open(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", "/sessions", {"json": {"snapshotId": ids["snapshot"]}}


def _export_files(api: Api, ids: dict[str, str]) -> Asked:
    return "GET", f"/snapshots/{ids['snapshot']}", {}


def _publish(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", "/services/New/V1", {"json": {"code": "y = x", "snapshotId": ids["snapshot"]}}


def _publish_alone(api: Api, ids: dict[str, str]) -> Asked:
    return "POST", "/services/Alone/V1", {"json": {"code": "y = 1", "description": "d" * _LARGE}}


def _publish_init(api: Api, ids: dict[str, str]) -> Asked:
    init = "open('made.txt', 'w').write('m' * 100_000)"
    return "POST", "/services/Init/V1", {"json": {"code": "y = 1", "initCode": init}}


def _patch(api: Api, ids: dict[str, str]) -> Asked:
    return "PATCH", "/services/Kept/V1", {"json": {"initCode": "z = 1"}}


def _describe(api: Api, ids: dict[str, str]) -> Asked:
    return "PATCH", "/services/Kept/V1", {"json": {"description": "e" * 3 * _LARGE}}


NEEDING = [
    _upload,
    _upload_large,
    _set_object,
    _set_large_object,
    _get_object,
    _snapshot,
    _load,
    _open,
    _export_files,
    _publish,
    _publish_alone,
    _publish_init,
    _patch,
    _describe,
]


@pytest.mark.parametrize("asking", NEEDING, ids=lambda asking: asking.__name__.strip("_"))
def test_what_needs_space(
    asking: Callable[[Api, dict[str, str]], Asked],
    api: Api,
    ids: dict[str, str],
    disk: tuple[Disk, Path],
    server: ServerProcess,
) -> None:
    method, path, options = asking(api, ids)
    api.consume("/api/Kept/V1")
    files = api.ok("GET", f"/sessions/{ids['spare']}/files")
    services, snapshots = api.ok("GET", "/services"), api.ok("GET", "/snapshots")
    disk[0].fill()
    try:
        fault = api.error(method, path, 507, **options)
        assert fault["exceptionType"] == "StorageFull"
        assert api.ok("GET", "/services") == services
        assert api.ok("GET", "/snapshots") == snapshots
        assert api.ok("GET", f"/sessions/{ids['spare']}/files") == files
        assert api.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}
        assert server.process.poll() is None
    finally:
        disk[0].free()
    check_whole(server.data_dir)
    assert api.send(method, path, **options).ok
    assert api.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}


def _renewed(api: Api, refresh_token: str) -> dict[str, Any]:
    tokens: dict[str, Any] = api.ok("POST", "/login/refreshToken", json={"refreshToken": refresh_token})
    return tokens


def test_signing_in_goes_on(api: Api, ids: dict[str, str], disk: tuple[Disk, Path], server: ServerProcess) -> None:
    """For as long as it takes an operator to notice; and there is still room for deletions afterwards."""
    path = api.publish("Doomed", "y = 1", "V1", description="d" * 20_000)
    disk[0].fill()
    try:
        for _ in range(10):
            other = Api(server)
            assert other.consume("/api/Kept/V1")["outputParameters"] == {"y": 100_001}
            disk[0].fill()
        tokens = other.tokens
        for _ in range(300):
            tokens = _renewed(api, tokens["refresh_token"])
        disk[0].fill()
        api.ok("DELETE", "/login/refreshToken", params={"refreshToken": tokens["refresh_token"]})
        api.error("POST", "/login/refreshToken", 401, json={"refreshToken": tokens["refresh_token"]})
        disk[0].fill()
        api.ok("DELETE", path.replace("api", "services"))
        Api(server)
    finally:
        disk[0].free()
    check_whole(server.data_dir)


def test_reading_goes_on(api: Api, ids: dict[str, str], disk: tuple[Disk, Path], server: ServerProcess) -> None:
    """Also the download of a snapshot, however large, which has no files of its own."""
    session = api.session()
    api.execute(session, f"data = b'x' * {2 * _LARGE}; text = 'kept'")
    snapshot = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    api.execute(session, "open('mine.txt', 'w').write('mine')")
    disk[0].fill()
    try:
        content = api.send("GET", f"/snapshots/{snapshot}").content
        assert api.send("GET", f"/sessions/{session}/files/mine.txt").content == b"mine"
        assert api.execute(session, "text")["consoleOutput"] == "'kept'\n"
        assert {"Kept"} <= {service["name"] for service in api.ok("GET", "/services")}
        assert api.ok("GET", "/api/Kept/V1/swagger.json")["info"]["title"] == "Kept"
    finally:
        disk[0].free()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        workspace = dill.loads(archive.read("workspace.dill"))
    assert workspace == {"data": b"x" * 2 * _LARGE, "text": "kept"}
    api.ok("DELETE", f"/snapshots/{snapshot}")
    api.ok("DELETE", f"/sessions/{session}/force")
    check_whole(server.data_dir)


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
