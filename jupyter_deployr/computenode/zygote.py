"""The zygote: a process that only imports, and from which service workers and session kernels are forked.

It is started by `forking.ForkServer` with one end of a socket pair as its standard input. Over it come requests to
fork or to signal, with descriptors attached; back go replies and exit notices. No user code ever runs here: a fork
inherits its threads' locks in whatever state they are, so the zygote has imported everything and computed nothing.

The zygote is the subreaper of its tree. When the server's end of the socket closes, for whatever reason, it kills
everything below it and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jupyter_deployr.computenode.descendants import children, end_children
from jupyter_deployr.computenode.library_patches import remember_modules
from jupyter_deployr.computenode.manifest import installed_packages

# What workers, kernels and archives are made of.
_NEEDED = (
    "IPython.core.completer",
    "IPython.core.magics",
    "cloudpickle",
    "concurrent.futures.thread",
    "dill",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "jupyter_deployr.computenode.archive",
    "jupyter_deployr.computenode.kernel",
    "jupyter_deployr.computenode.trial",
    "jupyter_deployr.computenode.worker",
    "matplotlib_inline.backend_inline",
    "orjson",
)

# What user code is likely to import, unless the operator has a list of their own.
PRELOADED = (
    "numpy",
    "pandas",
    "scipy.sparse",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.neighbors",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
)

MAX_MESSAGE = 64 * 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

Role = Callable[[socket.socket, Mapping[str, Any]], None]


def _role(name: str) -> Role:
    """The function that a fork runs: it is given its end of the channel and its arguments."""
    module = importlib.import_module(f"jupyter_deployr.computenode.{name}")
    run: Role = module.run
    return run


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


class Zygote:
    """The fork loop. One message at a time; nothing here waits for a child."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._alive: set[int] = set()

    def run(self, preload: list[str]) -> None:
        missing = []
        for name in [*_NEEDED, *preload]:
            try:
                importlib.import_module(name)
            except ImportError:
                missing.append(name)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        # Sessions compare with it, each without a copy of its own.
        remember_modules()
        # Each snapshot's manifest needs it.
        installed_packages()
        gc.collect()
        gc.freeze()
        self._tell({"ready": os.getpid(), "missing": missing})
        for waited_for in (self._control, self._wake_read):
            self._selector.register(waited_for, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake_read:
                    self._wake_read.recv(4096)
                    self._reap()
                elif not self._serve_one():
                    return

    def _serve_one(self) -> bool:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, 4)
        except ConnectionResetError:
            return False
        if not message:
            return False
        request = json.loads(message)
        if "signal" in request:
            self._signal(request["pid"], request["signal"])
        else:
            self._fork(request, descriptors)
        return True

    def _fork(self, request: Mapping[str, Any], descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"id": request["id"], "error": str(error)})
            pid = -1
        if pid == 0:
            self._become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            self._alive.add(pid)
            self._tell({"id": request["id"], "pid": pid})

    def _become(self, request: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
        """In the child: shed what is the zygote's, then be what was asked for."""
        code = 1
        channel = socket.socket(fileno=descriptors[0])
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            # What this process leaves running in the background stays below it, until it ends.
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
            self._selector.close()
            self._control.close()
            self._wake_read.close()
            self._wake_write.close()
            null = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(null, standard)
            os.close(null)
            arguments = {**request["arguments"], "outbox": descriptors[1] if len(descriptors) > 1 else None}
            os.chdir(arguments["directory"])
            gc.enable()
            _role(request["role"])(channel, arguments)
            code = 0
        except BaseException:
            channel.sendall(traceback.format_exc().encode())
        finally:
            os._exit(code)

    def _signal(self, pid: int, number: int) -> None:
        # Only to a child that hasn't been reaped: its number can't belong to another process yet.
        if pid in self._alive:
            os.kill(pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            known = pid in self._alive
            self._alive.discard(pid)
            self._end_strays()
            if known:
                self._tell({"exited": pid, "status": os.waitstatus_to_exitcode(status)})

    def _end_strays(self) -> None:
        """Whatever a worker or kernel started goes with it: it comes here when that has ended, and only then."""
        for pid in children():
            if pid not in self._alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _tell(self, message: Mapping[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            # The server is gone; the loop sees the closed socket next.
            return


def main() -> None:
    """What `forking.ForkServer` starts: modules to import as JSON in argv, the control socket on descriptor 0."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    zygote = Zygote(control)
    try:
        zygote.run(json.loads(sys.argv[1]))
    finally:
        end_children()
