"""A workspace saved and loaded again is the same workspace."""

from __future__ import annotations

import json
import os
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_deployr.computenode.snapshot import NotKept, Snapshot, SnapshotError, save


def _workspace(code: str) -> dict[str, Any]:
    module = types.ModuleType("__main__")
    exec(compile(code, "cell", "exec", dont_inherit=True), vars(module))
    return vars(module)


def _names(workspace: dict[str, Any]) -> list[str]:
    return [name for name in workspace if not name.startswith("__")]


def _empty(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _round_trip(tmp_path: Path, code: str) -> tuple[dict[str, Any], list[NotKept]]:
    workspace = _workspace(code)
    file = tmp_path / "snapshot"
    not_kept = save(file, workspace, _names(workspace), _empty(tmp_path / "work"))
    restored = _workspace("")
    Snapshot(file).load_into(restored)
    return restored, not_kept


KEPT = {
    "plain values": ("x = [1, 2.5, None, 'é', b'1', {1: (2, {3})}]", "x == [1, 2.5, None, 'é', b'1', {1: (2, {3})}]"),
    "names that share an object": ("a = [1]; b = {'a': a}", "b['a'] is a"),
    "a function's globals": ("n = 1\ndef f(): return n", "[globals().update(n=5), f()][1] == 5"),
    "recursion": ("def fact(n): return 1 if n < 2 else n * fact(n - 1)", "fact(5) == 120"),
    "mutual recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)",
        "even(10) and odd(7)",
    ),
    "closures that share a cell": (
        "def make():\n    n = 0\n    def add():\n        nonlocal n\n        n += 1\n    def get(): return n\n"
        "    return add, get\nadd, get = make()",
        "[add(), add(), get()][-1] == 2",
    ),
    "a closure that refers to itself": (
        "def make():\n    def down(n): return n if n < 1 else down(n - 1)\n    return down\ndown = make()",
        "down(9) == 0",
    ),
    "an empty cell": (
        "def make():\n    def f(): return late\n    if False: late = 1\n    return f\nf = make()",
        "callable(f)",
    ),
    "classes and super": (
        "class A:\n    def hello(self): return 'A'\n"
        "class B(A):\n    def hello(self): return super().hello() + 'B'\nb = B()",
        "b.hello() == 'AB' and type(b) is B and isinstance(b, A)",
    ),
    "methods using globals": (
        "n = 3\nclass C:\n    def m(self): return n\nc = C()",
        "[globals().update(n=4), c.m()][1] == 4",
    ),
    "defaults and annotations": (
        "def f(a: int = 1, *, b: str = 'x') -> list: 'doc'; return [a, b]",
        "f() == [1, 'x'] and f.__annotations__['a'] is int and f.__kwdefaults__ == {'b': 'x'}",
    ),
    "function attributes": ("def f(): pass\nf.tag = [1]", "f.tag == [1]"),
    "lambdas and partials": ("import functools\ng = functools.partial(lambda a, b: a - b, 5)", "g(3) == 2"),
    "cached functions": (
        "import functools\nn = 2\n@functools.lru_cache(maxsize=7)\ndef f(x): return x * n",
        "f(4) == 8 and f.cache_info().maxsize == 7 and f(4) == 8 and f.cache_info().hits == 1",
    ),
    "dataclasses": ("import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\np = P(3)", "p == P(3)"),
    "enums": ("import enum\nclass E(enum.Enum):\n    A = 1\ne = E.A", "e is E.A"),
    "module aliases": ("import numpy as np, os.path", "np.arange(2).sum() == 1 and os.path.join('a', 'b') == 'a/b'"),
    "generator functions": ("def g():\n    yield from (1, 2)", "list(g()) == [1, 2]"),
    "large arrays": (
        "import numpy as np\nbig = np.arange(1_000_000.0).reshape(1000, 1000)",
        "big.sum() == 499999500000 and big.flags.writeable and big.shape == (1000, 1000)",
    ),
    "read-only arrays": (
        "import numpy as np\nr = np.ones(100_000); r.flags.writeable = False",
        "not r.flags.writeable",
    ),
    "small and odd arrays": (
        "import numpy as np\ns = [np.array(3), np.empty((0, 3)), np.array(['a', None], object), np.ones((3, 2)).T]",
        "[a.shape for a in s] == [(), (0, 3), (2,), (2, 3)]",
    ),
    "frames": (
        "import pandas as pd\nf = pd.DataFrame({'a': [1, 2], 'c': pd.Categorical(['x', 'y']),"
        " 'd': pd.date_range('2024-01-01', periods=2, tz='Europe/Berlin'), 'n': pd.array([1, None], dtype='Int64')})",
        "list(f.dtypes.astype(str)) == ['int64', 'category', 'datetime64[us, Europe/Berlin]', 'Int64']"
        " or str(f.d.dtype).endswith('Europe/Berlin]')",
    ),
    "fitted estimators": (
        "from sklearn.datasets import load_iris\nfrom sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\nfrom sklearn.svm import SVC\niris = load_iris()\n"
        "model = make_pipeline(StandardScaler(), SVC()).fit(iris.data, iris.target)",
        "model.score(iris.data, iris.target) > 0.9",
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_kept(tmp_path: Path, what: str) -> None:
    code, check = KEPT[what]
    restored, not_kept = _round_trip(tmp_path, code)
    assert not_kept == []
    assert eval(check, restored)


NAMED = {
    "lock": "import threading\nx = threading.Lock()",
    "generator": "x = (i for i in ())",
    "socket": "import socket\nx = socket.socket(); x.close()",
    "Connection": "import sqlite3\nx = sqlite3.connect(':memory:'); x.close()",
    "Thread": "import threading\nx = threading.Thread()",
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_cannot_be_kept_is_named_and_the_rest_is_kept(tmp_path: Path, kind: str) -> None:
    code = f"before = [1]\n{NAMED[kind]}\nuses = {{'x': x}}\nafter = before"
    restored, not_kept = _round_trip(tmp_path, code)
    assert [(item.name, item.type) for item in not_kept] == [("x", kind), ("uses", "dict")]
    assert all(item.reason for item in not_kept)
    assert restored["after"] is restored["before"]
    assert "x" not in restored


def test_files_and_folders_come_back(tmp_path: Path) -> None:
    work = _empty(tmp_path / "work")
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


def test_equal_content_makes_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(tmp_path / name, {"x": [1, "a"]}, ["x"], _empty(tmp_path / "work"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_mapped_array_is_private_to_who_loads_it(tmp_path: Path) -> None:
    file = tmp_path / "snapshot"
    save(file, {"x": np.zeros(100_000)}, ["x"], _empty(tmp_path / "work"))
    first, second = _workspace(""), _workspace("")
    Snapshot(file).load_into(first)
    first["x"][:] = 1
    Snapshot(file).load_into(second)
    assert second["x"].sum() == 0


def test_an_empty_snapshot_says_so(tmp_path: Path) -> None:
    work = _empty(tmp_path / "work")
    save(tmp_path / "empty", {}, [], work)
    save(tmp_path / "name", {"x": 1}, ["x"], work)
    (work / "f").write_text("x")
    save(tmp_path / "file", {}, [], work)
    assert [Snapshot(tmp_path / name).empty for name in ("empty", "name", "file")] == [True, False, False]


def test_another_python_is_refused_naming_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "snapshot"
    save(file, {"x": 1}, ["x"], _empty(tmp_path / "work"))
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


def test_an_object_that_cannot_be_restored_is_named(tmp_path: Path) -> None:
    code = "import types, sys\nm = sys.modules['vanishing'] = types.ModuleType('vanishing')\n"
    code += "class T: pass\nT.__module__ = 'vanishing'; m.T = T; thing = T(); del T, m"
    workspace = _workspace(code)
    save(tmp_path / "snapshot", workspace, ["thing"], _empty(tmp_path / "work"))
    import sys

    del sys.modules["vanishing"]
    with pytest.raises(SnapshotError, match=r"'thing'.*vanishing"):
        Snapshot(tmp_path / "snapshot").load_into({})


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jupyter_deployr.computenode.snapshot._save_files", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "snapshot", {"x": 1}, ["x"], _empty(tmp_path / "work"))
    assert not (tmp_path / "snapshot").exists()
