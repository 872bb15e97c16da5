"""What can't be kept, known by its type: one sentence each, for whoever reads why a name is missing."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable
from typing import Any, NoReturn


class CannotKeep(pickle.PicklingError):
    """An object that can't be in a snapshot; the text says why and what to do instead."""


_LOCK = "a lock belongs to the running process and can't be saved: create it where it is used"
_THREAD = "a thread can't be saved: start it where it is used"
_PROCESS = "a process can't be saved: start it where it is used"
_QUEUE = "a queue between threads can't be saved: keep its items in a list"
_FILE = "an open file can't be saved: keep its path and open it where it is used"
_SOCKET = "a network connection can't be saved: connect where it is used"
_DATABASE = "a database connection can't be saved: connect where it is used"
_LOOP = "what an event loop is running can't be saved: keep its result"
_CONTEXT = "a context variable belongs to the running process and can't be saved"
_WEAK = "this kind of weak reference can't be saved: keep the object itself"

# Types by their full names, so that none is imported for it; each stands for its subclasses too.
_REASONS = {
    "builtins.generator": "a generator can't be saved half-way: keep list(...) of it, or the function that makes it",
    "builtins.coroutine": "a coroutine can't be saved half-way: keep its result, or the function that makes it",
    "builtins.async_generator": "an asynchronous generator can't be saved half-way: keep the function that makes it",
    "builtins.frame": "a stack frame belongs to running code and can't be saved",
    "builtins.traceback": "a traceback belongs to running code and can't be saved: keep its text",
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "threading.Condition": _LOCK,
    "threading.Semaphore": _LOCK,
    "threading.Event": "an event between threads can't be saved: create it where it is used",
    "threading.Barrier": _LOCK,
    "threading.Thread": _THREAD,
    "_thread._local": "data of one thread can't be saved: keep it in a variable of its own",
    "concurrent.futures._base.Executor": "a pool of threads or processes can't be saved: create it where it is used",
    "concurrent.futures._base.Future": "a result that is waited for can't be saved: keep the result",
    "multiprocessing.pool.Pool": "a pool of processes can't be saved: create it where it is used",
    "multiprocessing.process.BaseProcess": _PROCESS,
    "subprocess.Popen": _PROCESS,
    "queue.Queue": _QUEUE,
    "_queue.SimpleQueue": _QUEUE,
    "asyncio.events.AbstractEventLoop": _LOOP,
    "_asyncio.Future": _LOOP,
    "_asyncio.Task": _LOOP,
    "_io._IOBase": _FILE,
    "tempfile._TemporaryFileWrapper": _FILE,
    "mmap.mmap": _FILE,
    "weakref.finalize": "what waits for an object's end can't be saved: keep the object and set it up again",
    "weakref.WeakMethod": _WEAK,
    "weakref.KeyedRef": _WEAK,
    "_socket.socket": _SOCKET,
    "_ssl._SSLSocket": _SOCKET,
    "_ssl._SSLContext": "TLS settings can't be saved: create them where they are used",
    "selectors.BaseSelector": _SOCKET,
    "zmq.backend.cython._zmq.Socket": _SOCKET,
    "zmq.backend.cython._zmq.Context": _SOCKET,
    "sqlite3.Connection": _DATABASE,
    "sqlite3.Cursor": _DATABASE,
    "sqlalchemy.engine.base.Connection": _DATABASE,
    "sqlalchemy.engine.base.Engine": _DATABASE,
    "_contextvars.ContextVar": _CONTEXT,
    "_contextvars.Context": _CONTEXT,
    "_contextvars.Token": _CONTEXT,
    "_ctypes.CField": "a class of ctypes can't be saved: define it where it is used",
    "IPython.core.interactiveshell.InteractiveShell": "the session's own shell can't be saved",
}
# In-memory files are data; only their base class says "file".
_KEPT = {"_io.StringIO", "_io.BytesIO"}


def refusal_of(kind: type) -> str | None:
    """Why objects of that type can't be kept; None when nothing is known against it."""
    if kind is weakref.ProxyType or kind is weakref.CallableProxyType:
        return _WEAK
    names = [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
    if not _KEPT.isdisjoint(names):
        return None
    return next((_REASONS[name] for name in names if name in _REASONS), None)


def refuser(reason: str) -> Callable[[Any], NoReturn]:
    """A reducer that refuses for that reason."""

    def refuse(value: Any) -> NoReturn:
        raise CannotKeep(reason)

    return refuse
