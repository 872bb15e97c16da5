"""The snapshot file: what is written to it, what is refused, and what can be read of it without loading it."""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
import tracemalloc
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_deployr.computenode import manifest
from jupyter_deployr.computenode.saving import Refused, Selection, UnknownNames, save
from jupyter_deployr.computenode.snapshot import FOOTER, MAGIC, Snapshot, SnapshotError


def _workspace(code: str) -> dict[str, Any]:
    module = types.ModuleType("__main__")
    exec(compile(code, "cell", "exec", dont_inherit=True), vars(module))
    return vars(module)


def _empty(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return _empty(tmp_path / "work")


def _saved(tmp_path: Path, code: str, **options: Any) -> Snapshot:
    workspace = _workspace(code)
    names = [name for name in workspace if not name.startswith("__")]
    selection = Selection(**options)
    save(tmp_path / "snapshot", workspace, names, _empty(tmp_path / "work"), selection=selection)
    return Snapshot(tmp_path / "snapshot")


def _names(snapshot: Snapshot) -> list[str]:
    return [saved.name for saved in snapshot.names]


def test_files_and_folders_come_back(tmp_path: Path, work: Path) -> None:
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "f.bin").write_bytes(os.urandom(300_000))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o750)
    (work / "link").symlink_to("/etc/passwd")
    not_kept = save(tmp_path / "snapshot", {}, [], work)
    assert [item.name for item in not_kept] == ["link"]
    other = _empty(tmp_path / "other")
    Snapshot(tmp_path / "snapshot").write_files(other)
    assert (other / "deep/er/f.bin").read_bytes() == (work / "deep/er/f.bin").read_bytes()
    assert (other / "run.sh").stat().st_mode & 0o777 == 0o750
    assert not (other / "link").exists()


def test_equal_content_makes_equal_files(tmp_path: Path, work: Path) -> None:
    for name in ("one", "two"):
        save(tmp_path / name, {"x": [1, "a"]}, ["x"], work)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_mapped_array_is_private_to_who_loads_it(tmp_path: Path, work: Path) -> None:
    file = tmp_path / "snapshot"
    save(file, {"x": np.zeros(100_000)}, ["x"], work)
    first, second = _workspace(""), _workspace("")
    Snapshot(file).load_into(first)
    first["x"][:] = 1
    Snapshot(file).load_into(second)
    assert second["x"].sum() == 0


def test_an_empty_snapshot_says_so(tmp_path: Path, work: Path) -> None:
    save(tmp_path / "empty", {}, [], work)
    save(tmp_path / "name", {"x": 1}, ["x"], work)
    (work / "f").write_text("x")
    save(tmp_path / "file", {}, [], work)
    assert [Snapshot(tmp_path / name).empty for name in ("empty", "name", "file")] == [True, False, False]


def test_another_python_is_refused_naming_both(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "snapshot"
    save(file, {"x": 1}, ["x"], work)
    here = Snapshot(file).manifest["python"]
    monkeypatch.setattr("platform.python_version", lambda: "3.99.1")
    with pytest.raises(SnapshotError, match=rf"Python {here}.*Python 3\.99\.1"):
        Snapshot(file).load_into({})


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 4096, json.dumps({"names": []}).encode() * 10])
def test_a_file_that_is_no_snapshot(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "snapshot"
    file.write_bytes(content)
    with pytest.raises(SnapshotError, match="can't be read"):
        Snapshot(file)


def test_an_object_that_cannot_be_restored_is_named(tmp_path: Path, work: Path) -> None:
    workspace = _workspace("class T:\n    def __reduce__(self): return int, ('vanishing',)\nthing = T()")
    save(tmp_path / "snapshot", workspace, ["thing"], work)
    with pytest.raises(SnapshotError, match=r"'thing'.*vanishing"):
        Snapshot(tmp_path / "snapshot").load_into({})


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jupyter_deployr.computenode.saving._Writer.save_files", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "snapshot", {"x": 1}, ["x"], work)
    assert not (tmp_path / "snapshot").exists()


def test_only_and_drop_select_what_is_saved(tmp_path: Path, work: Path) -> None:
    (work / "raw").mkdir()
    (work / "raw" / "data.csv").write_text("1")
    (work / "kept.txt").write_text("1")
    code = "a = 1; b = 2; c = 3"
    assert _names(_saved(tmp_path, code, only=["c", "a"])) == ["a", "c"]
    left = _saved(tmp_path, code, drop=["b", "raw"])
    assert _names(left) == ["a", "c"]
    assert [saved.path for saved in left.files] == ["kept.txt"]
    assert [saved.path for saved in _saved(tmp_path, code, drop=["raw/data.csv", "kept.txt"]).files] == []
    for wrong in ({"only": ["d"]}, {"drop": ["d"]}, {"only": ["kept.txt"]}):
        with pytest.raises(UnknownNames, match=r"'(d|kept\.txt)'"):
            _saved(tmp_path, code, **wrong)


def test_what_is_left_out_although_it_is_used_is_named(tmp_path: Path) -> None:
    code = (
        "import functools\nn = 1; m = 2; lone = 3\ndef f(): return n\n"
        "class C:\n    def g(self): return [m for _ in '']\n"
        "@functools.cache\ndef h(): return n\nclass D:\n    n = lone\n    def lone(self): return self.m\n"
    )
    saved = _saved(tmp_path, code, drop=["n", "m", "lone"])
    assert {(item.name, item.reason) for item in saved.not_kept} == {
        ("n", "left out, but used by f, h"),
        ("m", "left out, but used by C"),
    }
    assert _names(saved) == ["functools", "f", "C", "h", "D"]


def test_functions_that_use_what_cannot_be_kept_are_named_and_saved(tmp_path: Path) -> None:
    saved = _saved(tmp_path, "import threading\nlock = threading.Lock()\ndef f():\n    with lock: return 1\n")
    (item,) = saved.not_kept
    assert (item.name, item.type) == ("lock", "lock")
    assert item.reason.endswith("; used by f")
    assert "f" in _names(saved)


def test_strict_saves_nothing_that_is_incomplete(tmp_path: Path, work: Path) -> None:
    code = "import threading\na = 1\nlock = threading.Lock()"
    with pytest.raises(Refused, match=r"lock \(lock\): a lock"):
        _saved(tmp_path, code, strict=True)
    assert not (tmp_path / "snapshot").exists()
    assert _names(_saved(tmp_path, code, strict=True, drop=["lock"])) == ["threading", "a"]
    (work / "link").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match=r"link \(file\)"):
        _saved(tmp_path, "a = 1", strict=True)


def test_the_largest_are_listed(tmp_path: Path, work: Path) -> None:
    (work / "file.bin").write_bytes(bytes(500_000))
    saved = _saved(tmp_path, "import numpy as np\nsmall = 1\nbig = np.zeros(100_000)\nsame = [big]")
    assert [name for name, _ in saved.largest(2)] == ["big", "file.bin"]
    sizes = dict(saved.largest())
    assert sizes["file.bin"] == 500_000
    assert 800_000 <= sizes["big"] < 801_000
    assert sizes["same"] < 1000


def test_progress_is_told_while_a_large_object_is_written(tmp_path: Path, work: Path) -> None:
    told: list[tuple[str, int]] = []
    workspace = {"small": 1, "big": np.zeros(6_000_000), "last": 2}
    save(tmp_path / "snapshot", workspace, list(workspace), work, progress=lambda *each: told.append(each))
    assert [name for name, _ in told] == ["small", "big", "big", "big", "big", "last"]
    written = [count for _, count in told]
    assert written == sorted(written)
    assert written[-1] > 48_000_000


def test_the_manifest_names_python_and_the_distributions_in_use(tmp_path: Path) -> None:
    import sklearn

    code = "import numpy as np\nfrom sklearn.svm import SVC\nmodel = SVC().fit([[0], [1]], [0, 1])\nimport json"
    made = _saved(tmp_path, code).manifest
    assert made["python"] == ".".join(map(str, sys.version_info[:3]))
    assert made["distributions"]["scikit-learn"] == sklearn.__version__
    assert made["distributions"]["numpy"] == np.__version__
    assert not {"json", "pandas", "pytest"} & made["distributions"].keys()


def test_packages_that_code_imports_can_be_added_to_the_manifest(tmp_path: Path, work: Path) -> None:
    save(tmp_path / "snapshot", {"x": 1}, ["x"], work, packages=["yaml", "json", "no_such_package"])
    assert Snapshot(tmp_path / "snapshot").manifest["distributions"].keys() == {"PyYAML"}


def test_differences_are_sentences() -> None:
    made = {
        "python": "3.11.0",
        "platform": "plan9-vax",
        "distributions": {"numpy": "1.0.0", "no-such-thing": "2.0", "requests": _version("requests")},
    }
    assert manifest.differences(made) == [
        f"numpy 1.0.0 was used; the server has {_version('numpy')}.",
        "no-such-thing 2.0 is not installed on the server.",
        f"It was made on plan9-vax; the server is {sys.platform}-{os.uname().machine}.",
    ]
    assert manifest.differences({}) == []


def _version(name: str) -> str:
    from importlib import metadata

    return metadata.version(name)


HOSTILE_INDEXES: dict[str, dict[str, Any]] = {
    "a path to the outside": {"files": [{"path": "../x", "offset": 0, "length": 1, "mode": 0o644}]},
    "an absolute path": {"files": [{"path": "/tmp/x", "offset": 0, "length": 1, "mode": 0o644}]},
    "no names": {"names": None},
    "names of another kind": {"names": [1]},
    "no manifest": {"manifest": None},
    "a manifest without Python": {"manifest": {}},
    "notKept of another kind": {"notKept": [1]},
}


@pytest.mark.parametrize("what", HOSTILE_INDEXES)
def test_an_index_is_data(tmp_path: Path, what: str) -> None:
    index = {"manifest": {"python": "3.11.0"}, "names": [], "files": [], "notKept": [], "random": None}
    text = json.dumps({**index, **HOSTILE_INDEXES[what]}).encode()
    file = tmp_path / "snapshot"
    file.write_bytes(MAGIC + text + FOOTER.pack(len(MAGIC), len(text), MAGIC))
    with pytest.raises(SnapshotError, match="can't be read"):
        Snapshot(file)


def test_an_index_of_endless_length_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    with file.open("wb") as sparse:
        sparse.truncate(10**12)
        sparse.seek(0, os.SEEK_END)
        sparse.write(FOOTER.pack(0, 10**12, MAGIC))
    with pytest.raises(SnapshotError, match="not a snapshot"):
        Snapshot(file)


def test_a_disk_that_fills_up_is_told_from_an_object_that_fails(tmp_path: Path, work: Path) -> None:
    class Fails:
        def __init__(self, number: int) -> None:
            self.number = number

        def __reduce__(self) -> Any:
            raise OSError(self.number, os.strerror(self.number))

    (item,) = save(tmp_path / "snapshot", {"x": Fails(errno.ENOENT)}, ["x"], work)
    assert item.name == "x"
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "full", {"x": Fails(errno.ENOSPC)}, ["x"], work)
    assert not (tmp_path / "full").exists()


def test_memory_for_one_object_at_a_time(tmp_path: Path, work: Path) -> None:
    # Each is copied to be written: not contiguous, or made of many small objects.
    whole = np.zeros((2000, 2000))
    workspace: dict[str, Any] = {f"part{number}": whole[:, number : number + 1900] for number in range(8)}
    workspace |= {f"text{number}": [f"{each:09}" for each in range(200_000)] for number in range(4)}
    gc.collect()
    tracemalloc.start()
    save(tmp_path / "snapshot", workspace, list(workspace), work)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "snapshot").stat().st_size > 8 * 30_000_000
    assert peak < 75_000_000


def test_a_file_that_grows_while_it_is_saved_ends(tmp_path: Path, work: Path) -> None:
    # The snapshot itself, which is written in the directory that it saves.
    (work / "other").write_bytes(bytes(100_000))
    save(work / "growing", {}, [], work)
    saved = {each.path: each.length for each in Snapshot(work / "growing").files}
    assert saved["other"] == 100_000
    assert saved["growing"] < 10_000
