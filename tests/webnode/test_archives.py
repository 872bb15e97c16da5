"""Snapshots as zips: written while they are sent, so what breaks off must be seen, and what nobody takes must end."""

from __future__ import annotations

import io
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dill
import psutil
import pytest
import requests

from tests import server_process
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

MB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this module's own, in which nobody else starts a process."""
    running = server_process.start(tmp_path_factory.mktemp("archives"), "--ServeApp.warm_sessions=0")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Api:
    """That server, spoken to as its administrator."""
    return Api(server)


def _nothing_left(server: ServerProcess) -> bool:
    """Whether no process writes an archive, and no directory of one is there."""
    (zygote,) = psutil.Process(server.pid).children()
    return not zygote.children() and not list((server.data_dir / "scratch").iterdir())


def test_a_large_one_comes_whole_and_is_nowhere_in_between(server: ServerProcess, api: Api) -> None:
    identity = api.snapshot(f"import os\nraw = os.urandom({40 * MB}); text = 'kept'; open('f', 'wb').write(raw)")
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    with api.send("GET", f"/snapshots/{identity}", stream=True) as response:
        pieces = response.iter_content(MB)
        content = next(pieces)
        # Some of it has come; of the zip nothing lies on the disk, only the snapshot's own file.
        written = [path for path in (server.data_dir / "scratch").rglob("*") if path.is_file()]
        assert [path.name for path in written] == ["f"]
        content += b"".join(pieces)
    assert process.memory_info().rss - before < 30 * MB
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        workspace = dill.loads(archive.read("workspace.dill"))
        assert archive.read("files/f") == workspace["raw"]
    assert len(workspace["raw"]) == 40 * MB
    wait_until(lambda: _nothing_left(server))


def test_what_breaks_off_is_no_whole_answer(server: ServerProcess, api: Api, tmp_path: Path) -> None:
    """An object that ends the process when it is written for the second time: by then, some has been sent."""
    tried = tmp_path / "tried"
    identity = api.snapshot(f"""
import os, pathlib
class Ends:
    def __getstate__(self):
        tried = pathlib.Path({str(tried)!r})
        if tried.exists() and tried.read_text() == 'tried': os._exit(3)
        if tried.exists(): tried.write_text('tried')
        return {{'x': 1}}
first = b'x' * {4 * MB}
ends = Ends()
""")
    tried.write_text("")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.send("GET", f"/snapshots/{identity}")
    assert tried.read_text() == "tried"
    wait_until(lambda: _nothing_left(server))
    tried.unlink()
    assert zipfile.is_zipfile(io.BytesIO(api.send("GET", f"/snapshots/{identity}").content))


def test_a_client_that_goes_away_ends_the_work(server: ServerProcess, api: Api) -> None:
    identity = api.snapshot(f"x = b'x' * {20 * MB}")
    parts = urlsplit(api.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=60) as connection:
        token = api.tokens["access_token"]
        head = f"GET /snapshots/{identity} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert not _nothing_left(server)
    wait_until(lambda: _nothing_left(server))


def test_one_that_is_deleted_meanwhile_comes_whole(server: ServerProcess, api: Api) -> None:
    identity = api.snapshot(f"x = b'x' * {20 * MB}; open('f', 'wb').write(x)")
    with api.send("GET", f"/snapshots/{identity}", stream=True) as response:
        pieces = response.iter_content(MB)
        content = next(pieces)
        api.ok("DELETE", f"/snapshots/{identity}")
        content += b"".join(pieces)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.read("files/f")) == 20 * MB
