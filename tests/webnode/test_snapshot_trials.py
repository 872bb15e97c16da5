"""A snapshot that is acknowledged loads: what can be saved but not loaded is found before, left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import server_process
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which an object may take a second to load."""
    running = server_process.start(tmp_path_factory.mktemp("hasty"), "--ServeApp.snapshot_load_seconds=1")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(hasty: ServerProcess) -> Api:
    """That server, spoken to as its administrator."""
    return Api(hasty)


def _saved(api: Api, code: str, **selection: Any) -> tuple[str, dict[str, str], dict[str, str]]:
    """A snapshot of a session that ran the code: its id, and types and reasons of what is not kept."""
    session = api.session()
    ran = api.execute(session, code)
    assert ran["success"], ran["errorMessage"]
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json=selection)
    api.ok("DELETE", f"/sessions/{session}")
    types = {entry["name"]: entry["type"] for entry in made["notKept"]}
    return made["snapshotId"], types, {entry["name"]: entry["reason"] for entry in made["notKept"]}


def _found(api: Api, snapshot: str, *names: str) -> list[str]:
    """Which of the names a session that starts from the snapshot has."""
    session = api.session(snapshotId=snapshot)
    look = f"found = [name for name in {names!r} if name in globals()]"
    found: list[str] = api.execute(session, look, outputs=["found"])["outputParameters"][0]["value"]
    api.ok("DELETE", f"/sessions/{session}")
    return found


_WANTS = "class C:\n    def __init__(self, needed): self.n = needed\n"
# what -> (cells that define x, its type, words of the reason)
UNLOADABLE = {
    "a __reduce__ without the arguments": (
        f"{_WANTS}    def __reduce__(self): return C, ()\nx = C(1)", "C", "missing 1 required positional argument"),
    "a __setstate__ that raises": (
        "class C:\n    def __getstate__(self): return 5\n    def __setstate__(self, s): self.a = s['a']\nx = C()",
        "C", "'int' object is not subscriptable"),
    "a __setstate__ that uses what __init__ sets": (
        "class C:\n    def __init__(self): self.open = []\n"
        "    def __setstate__(self, s): self.open.append(s)\nx = C()", "C", "'C' object has no attribute 'open'"),
    "a __getstate__ of another kind": (
        "class C:\n    def __getstate__(self): return 5\nx = C()", "C", ""),
    "a __new__ that wants more than it says": (
        "class C:\n    def __new__(cls, a, b): return object.__new__(cls)\n"
        "    def __getnewargs__(self): return (1,)\nx = C(1, 2)", "C", "missing 1 required positional argument: 'b'"),
    "an exception of a library with an __init__ of its own": (
        "class E(Exception):\n    def __init__(self, a, b): super().__init__(a); self.b = b\n"
        "    def __reduce__(self): return E, (1,)\nx = E(1, 2)", "E", "missing 1 required positional argument: 'b'"),
    "a library's error that loses its arguments": (
        "import json\nclass Raw(json.JSONDecodeError):\n    def __reduce__(self): return json.JSONDecodeError, ('m',)\n"
        "x = Raw('m', '', 0)", "Raw", "missing 2 required positional arguments"),
    "a module that fails in another process": (
        "import os, sys\nopen('mine.py', 'w').write('import os\\nassert os.getpid() == ' + str(os.getpid()))\n"
        "sys.path.insert(0, '')\nimport mine as x", "module", "AssertionError"),
    "one that exits": (
        "import sys\nclass C:\n    def __reduce__(self): return sys.exit, (3,)\nx = C()", "C", "SystemExit: 3"),
    "one that ends its process": (
        "import os\nclass C:\n    def __reduce__(self): return os._exit, (7,)\nx = C()", "C", "exit code 7"),
    "one that crashes its process": (
        "import ctypes\nclass C:\n    def __reduce__(self): return ctypes.string_at, (0,)\nx = C()", "C", "SIGSEGV"),
    "one that never ends": (
        "class C:\n    def __setstate__(self, s):\n        while True: pass\nx = C(); x.a = 1", "C", "longer than 1 s"),
    "one that prints nonsense and whose error has no text": (
        "class E(Exception):\n    def __str__(self): raise ValueError\n"
        "class C:\n    def __setstate__(self, s): print('{}'); raise E\nx = C(); x.a = 1", "C", "can't be shown"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNLOADABLE)
def test_what_cannot_be_loaded_is_named_and_the_rest_is_kept(api: Api, what: str) -> None:
    code, kind, reason = UNLOADABLE[what]
    snapshot, types, reasons = _saved(api, f"before = [1]\n{code}\nuses = [x, before]\nafter = before")
    assert types == {"x": kind, "uses": "list"}
    assert reasons["x"].startswith("it was saved but can't be loaded again: ")
    assert reason in reasons["x"]
    assert _found(api, snapshot, "before", "x", "uses", "after") == ["before", "after"]


def test_all_that_fail_are_found_and_sharing_stays(api: Api) -> None:
    code = (
        "import numpy as np\nshared = []\nclass Bad:\n    def __setstate__(self, s): raise OSError(2, 'gone', 'file')\n"
        "def make():\n    bad = Bad(); bad.a = 1; return bad\n"
        "for number in range(30): globals()[f'bad{number}'] = make()\n"
        "first = [bad3, shared]; one = {'a': shared}; big = np.zeros(100_000); two = [shared, big, one]\n"
        "def uses(): return bad7\n"
    )
    snapshot, types, reasons = _saved(api, code)
    assert types == {**{f"bad{number}": "Bad" for number in range(30)}, "first": "list"}
    assert reasons["bad7"].endswith("[Errno 2] gone: 'file'; used by uses")
    session = api.session(snapshotId=snapshot)
    look = "found = [two[0] is shared, two[1] is big, two[2] is one, one['a'] is shared, len(big), type(make()) is Bad]"
    answer = api.execute(session, look, outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [True, True, True, True, 100_000, True]


def test_strict_refuses_what_cannot_be_loaded(api: Api) -> None:
    session = api.session()
    api.execute(session, f"{_WANTS}    def __reduce__(self): return C, ()\nx = C(1)")
    before = api.ok("GET", "/snapshots")
    refused = api.error("POST", f"/sessions/{session}/snapshot", 400, json={"strict": True})
    assert "x (C): it was saved but can't be loaded again: TypeError" in refused["message"]
    assert api.ok("GET", "/snapshots") == before
    api.ok("POST", f"/sessions/{session}/snapshot", 201, json={"strict": True, "drop": ["x"]})


def test_modules_and_large_files_are_there_when_it_is_tried(api: Api) -> None:
    code = (
        "import pathlib, sys\nsys.path.insert(0, '')\n"
        "pathlib.Path('large.bin').write_bytes(bytes(3_000_000)); pathlib.Path('mine.py').write_text('value = [1]')\n"
        "import mine\nclass Reads:\n    def __setstate__(self, s): self.size = len(open('large.bin', 'rb').read())\n"
        "reads = Reads(); reads.size = 0\n"
    )
    snapshot, types, _ = _saved(api, code)
    assert types == {}
    session = api.session(snapshotId=snapshot)
    answer = api.execute(session, "found = [reads.size, mine.value]", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [3_000_000, [1]]


def test_what_the_trial_does_stays_in_its_process(api: Api, hasty: ServerProcess) -> None:
    code = (
        "import os\nclass Changes:\n    def __setstate__(self, s):\n"
        "        open('made.txt', 'w').close(); globals()['count'] = 5\n"
        "changes = Changes(); changes.a = 1; count = 1\n"
    )
    session = api.session()
    api.execute(session, code)
    api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    answer = api.execute(session, "found = [count, os.listdir()]", outputs=["found"])
    assert answer["outputParameters"][0]["value"] == [1, []]
    scratch = hasty.data_dir / "scratch"
    wait_until(lambda: not [path for path in scratch.iterdir() if path.name.startswith("draft")])


def test_a_trial_can_be_interrupted(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    api = Api(start_server())
    session = api.session()
    begun = tmp_path / "begun"
    code = (
        f"import pathlib\nclass C:\n    def __setstate__(self, s):\n        pathlib.Path({str(begun)!r}).touch()\n"
        "        while True: pass\nx = C(); x.a = 1"
    )
    api.execute(session, code)
    with ThreadPoolExecutor() as threads:
        pending = threads.submit(api.error, "POST", f"/sessions/{session}/snapshot", 409, json={})
        wait_until(begun.exists)
        api.ok("POST", f"/sessions/{session}/cancel")
        assert "interrupted" in pending.result()["message"]
    assert api.execute(session, "1 + 1")["consoleOutput"] == "2\n"
    assert api.ok("GET", "/snapshots") == []


HARMLESS = {
    "a dead proxy": "import weakref\nclass C: pass\nx = weakref.proxy(C())",
    "a proxy of what isn't there": (
        "class C:\n    @property\n    def __class__(self): raise RuntimeError('outside of a request')\nx = C()"
    ),
    "one that ends the process when it is looked at": (
        "class C:\n    def __getattribute__(self, name): raise SystemExit(1)\nx = C()"
    ),
}


@pytest.mark.parametrize("code", HARMLESS.values(), ids=HARMLESS)
def test_objects_that_cannot_be_asked_harm_nothing(api: Api, code: str) -> None:
    snapshot, _, _ = _saved(api, f"{code}\nkept = 1")
    assert "kept" in _found(api, snapshot, "kept")


@pytest.mark.parametrize("patch", ["json.dumps = mine", "json.dumps = lambda *_: b'bytes'", "json.loads = mine"])
def test_what_cells_put_on_modules_of_ours_is_theirs(api: Api, patch: str) -> None:
    code = f"import json\ndef mine(*_, **__): return 'mine'\n{patch}\nkept = 1"
    snapshot, types, _ = _saved(api, code)
    assert types == {}
    session = api.session(snapshotId=snapshot)
    name = patch.partition(" ")[0]
    answer = api.execute(session, f"import json\nprint(kept, {name}('1'))")
    assert answer["consoleOutput"] == ("1 b'bytes'\n" if "bytes" in patch else "1 mine\n")
