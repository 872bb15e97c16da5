"""Where a server leaves its address: private files, and records that outlive their process."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_deployr.protocol import places


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    path = tmp_path / "data"
    path.mkdir()
    return path


def record_file() -> Path:
    (path,) = Path(os.environ["JUPYTER_RUNTIME_DIR"]).iterdir()
    return path


def rewrite(**changes: Any) -> None:
    path = record_file()
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_private_files_are_readable_by_their_owner_only(tmp_path: Path, umask: Any) -> None:
    before = os.umask(umask)
    try:
        places.write_private(tmp_path / "secret", "pässword")
    finally:
        os.umask(before)
    assert mode(tmp_path / "secret") == 0o600
    assert (tmp_path / "secret").read_text(encoding="utf-8") == "pässword"


def test_a_readable_file_is_made_private_when_it_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    (tmp_path / "secret").chmod(0o644)
    places.write_private(tmp_path / "secret", "new")
    assert mode(tmp_path / "secret") == 0o600
    assert (tmp_path / "secret").read_text() == "new"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    places.write_private(tmp_path / "secret", "old")
    with pytest.raises(UnicodeEncodeError):
        places.write_private(tmp_path / "secret", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "old"


def test_a_record_is_found_again(data_dir: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1.2.3")
    record = places.read_record(data_dir)
    assert record is not None
    assert (record.url, record.pid, record.version) == ("http://127.0.0.1:12800", os.getpid(), "1.2.3")
    assert record.data_dir == str(data_dir.resolve())
    assert record.process == psutil.Process()
    assert mode(record_file()) == 0o600


def test_a_record_belongs_to_one_data_directory(data_dir: Path, tmp_path: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    assert places.read_record(tmp_path / "other") is None


def test_a_link_to_the_data_directory_is_the_same_place(data_dir: Path, tmp_path: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    (tmp_path / "link").symlink_to(data_dir)
    assert places.read_record(tmp_path / "link") is not None


def test_the_record_of_a_dead_process_counts_as_absent(data_dir: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    rewrite(pid=child.pid)
    assert places.read_record(data_dir) is None


def test_the_record_of_a_zombie_counts_as_absent(data_dir: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        started = psutil.Process(child.pid).create_time()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped yet
        rewrite(pid=child.pid, started=started)
        assert places.read_record(data_dir) is None
    finally:
        child.wait()


def test_a_pid_that_another_process_has_now_counts_as_absent(data_dir: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    rewrite(started=psutil.Process().create_time() - 3600)
    assert places.read_record(data_dir) is None


@pytest.mark.parametrize(
    "changes",
    [{"pid": "12"}, {"pid": -1}, {"pid": 2**70}, {"started": None}, {"surplus": 1}],
    ids=str,
)
def test_a_spoiled_record_counts_as_absent(data_dir: Path, changes: Any) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    rewrite(**changes)
    assert places.read_record(data_dir) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "\x00"])
def test_an_unreadable_record_counts_as_absent(data_dir: Path, text: Any) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    record_file().write_text(text)
    assert places.read_record(data_dir) is None


def test_a_server_takes_back_its_own_record(data_dir: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    places.remove_record(data_dir)
    places.remove_record(data_dir)
    assert places.read_record(data_dir) is None
    assert list(Path(os.environ["JUPYTER_RUNTIME_DIR"]).iterdir()) == []


def test_a_server_leaves_the_record_of_another(data_dir: Path) -> None:
    places.write_record(data_dir, "http://127.0.0.1:12800", "1")
    parent = psutil.Process(os.getppid())
    rewrite(pid=parent.pid, started=parent.create_time())
    places.remove_record(data_dir)
    assert places.read_record(data_dir) is not None


def test_the_data_directory_is_a_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DEPLOYR_DATA_DIR", raising=False)
    assert places.default_data_dir() == tmp_path / "deployr"
    monkeypatch.setenv("DEPLOYR_DATA_DIR", "~/elsewhere")
    assert places.default_data_dir() == Path.home() / "elsewhere"


def test_a_record_does_not_change() -> None:
    record = places.ServerRecord("http://127.0.0.1:1", 1, 1.0, "1", "/d")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.pid = 2  # type: ignore[misc]
