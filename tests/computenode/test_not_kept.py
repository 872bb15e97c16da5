"""What a snapshot can't keep is named, with what uses it, its type and the reason; everything else is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_deployr.computenode.pickling import WorkspacePickler
from tests.computenode.forks import Forks

# type -> (cells that define x, of that type; words of the reason)
REFUSED = {
    "generator": ("x = (i for i in ())", "list(...)"),
    "coroutine": ("async def f(): pass\nx = f(); del f", "its result"),
    "async_generator": ("async def f():\n    yield\nx = f(); del f", "the function that makes it"),
    "lock": ("import threading\nx = threading.Lock()", "create it where it is used"),
    "RLock": ("import threading\nx = threading.RLock()", "create it where it is used"),
    "Condition": ("import threading\nx = threading.Condition()", "create it where it is used"),
    "Semaphore": ("import threading\nx = threading.Semaphore()", "create it where it is used"),
    "Event": ("import threading\nx = threading.Event()", "create it where it is used"),
    "Thread": ("import threading\nx = threading.Thread()", "start it where it is used"),
    "Worker": ("import threading\nclass Worker(threading.Thread): pass\nx = Worker()", "start it where it is used"),
    "_local": ("import threading\nx = threading.local()", "one thread"),
    "ThreadPoolExecutor": ("import concurrent.futures as c\nx = c.ThreadPoolExecutor(); x.shutdown()", "create it"),
    "Future": ("import concurrent.futures as c\nx = c.Future()", "keep the result"),
    "Queue": ("import queue\nx = queue.Queue()", "keep its items"),
    "SimpleQueue": ("import queue\nx = queue.SimpleQueue()", "keep its items"),
    "Popen": ("import subprocess, sys\nx = subprocess.Popen([sys.executable, '-c', '']); x.wait()", "a process"),
    "TextIOWrapper": ("x = open('f', 'w')", "keep its path"),
    "BufferedReader": ("open('f', 'w').close(); x = open('f', 'rb')", "keep its path"),
    "_TemporaryFileWrapper": ("import tempfile\nx = tempfile.NamedTemporaryFile()", "keep its path"),
    "TemporaryDirectory": ("import tempfile\nx = tempfile.TemporaryDirectory()", "object's end"),
    "mmap": ("import mmap\nx = mmap.mmap(-1, 10)", "keep its path"),
    "socket": ("import socket\nx = socket.socket(); x.close()", "connect where"),
    "SSLContext": ("import ssl\nx = ssl.create_default_context()", "TLS"),
    "Connection": ("import sqlite3\nx = sqlite3.connect(':memory:')", "database connection"),
    "Cursor": ("import sqlite3\nx = sqlite3.connect(':memory:').cursor()", "database connection"),
    "Engine": ("import sqlalchemy\nx = sqlalchemy.create_engine('sqlite://')", "database connection"),
    "ContextVar": ("import contextvars\nx = contextvars.ContextVar('x')", "running process"),
    "frame": ("import sys\nx = sys._getframe()", "running code"),
    "traceback": ("try: 1 / 0\nexcept ZeroDivisionError as e: x = e.__traceback__", "keep its text"),
    "finalize": ("import weakref\nclass C: pass\nc = C(); x = weakref.finalize(c, print)", "object's end"),
    "ProxyType": ("import weakref\nclass C: pass\nc = C(); x = weakref.proxy(c)", "keep the object itself"),
    "WeakMethod": (
        "import weakref\nclass C:\n    def m(self): pass\nc = C(); x = weakref.WeakMethod(c.m)",
        "keep the object itself",
    ),
    "memoryview": ("x = memoryview(bytearray(9))[2:5]", "keep bytes(...)"),
    "ufunc": ("import numpy as np\nx = np.frompyfunc(lambda a: a, 1, 1)", "keep the function"),
    "PyCStructType": ("import ctypes\nclass x(ctypes.Structure): _fields_ = [('a', ctypes.c_int)]", "ctypes"),
    "type": ("x = type(iter({}))", "under a name"),
    "_GeneratorContextManager": ("import contextlib\nx = contextlib.contextmanager(lambda: (yield))()", "list(...)"),
    "Holder": ("import threading\nclass Holder: pass\nx = Holder(); x.guard = threading.Lock()", "a lock"),
    "list": ("x = [1]\nfor _ in range(100_000): x = [x]", "nested too deeply"),
    "Linked": (
        "import sys\nsys.setrecursionlimit(10**6)\nclass Linked: pass\nx = None\n"
        "for _ in range(200_000):\n    y = Linked(); y.next = x; x = y\ndel y",
        "nested too deeply",
    ),
    "Exits": ("class Exits:\n    def __reduce__(self): raise SystemExit(3)\nx = Exits()", "3"),
    "Stops": (
        "class Stop(BaseException): pass\nclass Stops:\n    def __getstate__(self): raise Stop('enough')\nx = Stops()",
        "enough",
    ),
    "Fails": ("class Fails:\n    def __reduce__(self): raise ValueError('not me')\nx = Fails()", "not me"),
    "TooLarge": ("class TooLarge:\n    def __reduce__(self): raise MemoryError\nx = TooLarge()", "not enough memory"),
    "Odd": ("class Odd:\n    def __reduce__(self): return 5\nx = Odd()", "__reduce__"),
    "InteractiveShell": (
        "from IPython.core.interactiveshell import InteractiveShell\nx = InteractiveShell()",
        "the session's own shell",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_kept_is_named_and_the_rest_is_kept(forks: Forks, tmp_path: Path, kind: str) -> None:
    code, reason = REFUSED[kind]
    code = f"before = [1]\n{code}\nuses = {{'x': x, 'before': before}}\nafter = before"
    found = {item.name: item for item in forks.save(tmp_path, code) if item.name not in ("f", "c", kind)}
    assert {name: item.type for name, item in found.items()} == {"x": kind, "uses": "dict"}
    assert reason in found["x"].reason
    assert found["uses"].reason
    forks.load(tmp_path, "after is before and after == [1] and 'x' not in globals() and 'uses' not in globals()")


def test_a_class_that_uses_it_is_named_with_its_instances(forks: Forks, tmp_path: Path) -> None:
    code = "import threading\nclass C:\n    guard = threading.Lock()\nc = C()\nclass D: pass\nd = D()"
    assert {item.name for item in forks.save(tmp_path, code)} == {"C", "c"}
    forks.load(tmp_path, "type(d) is D")


def test_a_function_that_uses_it_as_a_global_is_kept(forks: Forks, tmp_path: Path) -> None:
    code = "import threading\nguard = threading.Lock()\ndef f():\n    with guard: return 1"
    assert [item.name for item in forks.save(tmp_path, code)] == ["guard"]
    forks.load(tmp_path, "import threading\nguard = threading.Lock()\nassert f() == 1")


def test_an_object_that_changes_the_workspace_while_it_is_saved(forks: Forks, tmp_path: Path) -> None:
    code = "class C:\n    def __reduce__(self): globals()['new'] = 1; return list, ()\nc = C(); kept = 2"
    assert forks.save(tmp_path, code) == []
    forks.load(tmp_path, "c == [] and kept == 2 and 'new' not in globals()")


def test_an_object_that_deletes_names_while_it_is_saved(forks: Forks, tmp_path: Path) -> None:
    code = "class C:\n    def __reduce__(self): globals().pop('gone', None); return list, ()\nc = C(); gone = 1"
    assert forks.save(tmp_path, code, "assert c") == []
    forks.load(tmp_path, "c == [] and gone == 1")


def test_an_interrupt_is_no_reason(tmp_path: Path) -> None:
    class Interrupts:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    with (tmp_path / "stream").open("wb") as stream, pytest.raises(KeyboardInterrupt):
        WorkspacePickler(stream, {}, lambda buffer: None).dump([Interrupts()])
