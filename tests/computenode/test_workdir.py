"""A worker's directory is put back after a call that touched it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jupyter_deployr.computenode.workdir import WorkingDirectory, file_states

TOUCHES = {
    "a new file": "Path('new').write_text('x')",
    "a file in a folder": "Path('sub/new').write_text('x')",
    "a new folder": "Path('fresh').mkdir()",
    "a file changed in place": "os.pwrite(os.open('kept', os.O_RDWR), b'X', 0)",
    "a file of a folder changed in place": "os.pwrite(os.open('sub/kept', os.O_RDWR), b'X', 0)",
    "a file removed": "Path('kept').unlink()",
    "a folder removed": "__import__('shutil').rmtree('sub')",
    "a file renamed": "Path('kept').rename('other')",
    "a mode changed": "Path('kept').chmod(0o700)",
    "a link": "Path('link').symlink_to('kept')",
    "a folder's mode": "Path('sub').chmod(0o700)",
    "a file whose time was put back": (
        "s = os.stat('kept'); Path('kept').write_text('Xriginal'); os.utime('kept', ns=(s.st_atime_ns, s.st_mtime_ns))"
    ),
    "a mapped file": (
        "import mmap\nwith open('kept', 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapped: mapped[:1] = b'X'"
    ),
}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkingDirectory:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (work / "kept").write_text("original")
    (work / "sub" / "kept").write_text("original")
    monkeypatch.chdir(work)
    return WorkingDirectory(work, tmp_path / "pristine")


def _contents(path: Path) -> dict[str, object]:
    return {
        str(entry.relative_to(path)): (entry.lstat().st_mode, entry.read_text() if entry.is_file() else None)
        for entry in path.rglob("*")
    }


def _let_the_clock_of_files_go_on(place: Path) -> None:
    """Changes of one tick of it, some milliseconds, can't be told apart by their times."""
    probe = place / "probe"
    probe.touch()
    begun = probe.stat().st_ctime_ns
    deadline = time.monotonic() + 10
    while probe.stat().st_ctime_ns == begun:
        assert time.monotonic() < deadline
        probe.touch()


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("touch", TOUCHES)
def test_touched_and_reset(
    directory: WorkingDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touch: str, watched: bool
) -> None:
    if not watched:
        monkeypatch.setattr("jupyter_deployr.computenode.workdir._inotify", lambda _: None)
        directory = WorkingDirectory(directory.path, tmp_path / "pristine2")
    before = _contents(directory.path)
    assert not directory.touched()
    for _ in range(2):
        _let_the_clock_of_files_go_on(directory.path.parent)
        exec(TOUCHES[touch], {"Path": Path, "os": os})
        assert directory.touched()
        directory.reset()
        assert _contents(directory.path) == before
        assert not directory.touched()


def test_changes_name_files_made_and_changed(directory: WorkingDirectory) -> None:
    Path("sub/new").write_text("x")
    Path("kept").write_text("changed")
    assert directory.changes() == ["kept", "sub/new"]
    directory.reset()
    assert directory.changes() == []


def test_reading_is_no_touch(directory: WorkingDirectory) -> None:
    assert Path("kept").read_text() == "original"
    assert list(os.scandir("sub"))
    assert not directory.touched()
    assert file_states(directory.path).keys() == {"kept", "sub/kept"}
