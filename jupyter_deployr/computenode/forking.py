"""The web node's hold on the zygote: fork a worker or kernel from it, signal one, learn when one has ended."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.zygote import MAX_MESSAGE
from jupyter_deployr.protocol.errors import Unavailable

_log = logging.getLogger(__name__)

_ENTRY = "from jupyter_deployr.computenode.zygote import main; main()"

# What user code may see of the server's environment; secrets are in none of these.
_PASSED_ENVIRONMENT = (
    "HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONPATH", "SHELL", "TERM", "TMPDIR", "TZ",
    "USER", "VIRTUAL_ENV", "XDG_CACHE_HOME",
)  # fmt: skip


def compute_environment(passed: Sequence[str], threads: int) -> dict[str, str]:
    """The environment of all user code: an allow-list, the names in `passed`, and `threads` for OpenMP and BLAS."""
    wanted = {*_PASSED_ENVIRONMENT, *passed}
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith("LC_")}
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {**kept, **dict.fromkeys(limits, str(threads)), "PYTHONUNBUFFERED": "1"}


class ForkedProcess:
    """A process forked from the zygote.

    `ended` resolves to its exit code, negative for a signal; `orphaned` is true when it ended because the zygote did.
    """

    orphaned = False

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if not self.ended.done():
            self._server.send({"signal": number, "pid": self.pid})

    def kill(self) -> None:
        """End the process at once."""
        self.signal(signal.SIGKILL)


def describe_exit(code: int) -> str:
    """An exit code in words: "exit code 3", "killed by SIGSEGV"."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class ForkServer:
    """Starts the zygote, and starts it again should it end."""

    def __init__(self, directory: Path, *, preload: Sequence[str], environment: Mapping[str, str]) -> None:
        """`directory` is where the zygote stands, `preload` modules to import beside those it needs itself."""
        self._directory = directory
        self._preload = [*preload]
        self._environment = dict(environment)
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] | None = None
        self._replies: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._processes: dict[int, ForkedProcess] = {}
        self._serial = 0

    @property
    def running(self) -> bool:
        """Whether the zygote is up and has imported what it should."""
        return self._ready is not None and self._ready.done() and self._control is not None

    async def start(self) -> None:
        """Start the zygote, or wait for the start under way. Raises Unavailable when it ends instead."""
        if self._ready is None:
            self._launch()
        assert self._ready is not None
        await asyncio.shield(self._ready)

    def _launch(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._zygote = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-c", _ENTRY, json.dumps(self._preload)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=self._directory,
                env=self._environment,
                start_new_session=True,
            )
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        self._control = ours
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._on_message)

    async def fork(
        self, role: str, arguments: Mapping[str, Any], channel: socket.socket, outbox: int | None = None
    ) -> ForkedProcess:
        """Fork a process that runs `role`: "worker", "kernel", "archive" or "trial".

        `channel`, closed here, becomes its end of a socket pair; `outbox` is a descriptor that it gets too. Raises
        Unavailable when no process can be had.
        """
        with channel:
            await self.start()
            self._serial += 1
            reply: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
            self._replies[self._serial] = reply
            message = {"id": self._serial, "role": role, "arguments": dict(arguments)}
            descriptors = [channel.fileno(), *([] if outbox is None else [outbox])]
            assert self._control is not None
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        try:
            return await reply
        except asyncio.CancelledError:
            if reply.done() and not reply.cancelled() and reply.exception() is None:
                reply.result().kill()
            raise

    def send(self, message: Mapping[str, Any]) -> None:
        """Post a message that has no reply."""
        if self._control is not None:
            self._control.send(json.dumps(message).encode())

    def _on_message(self) -> None:
        assert self._control is not None
        try:
            data = self._control.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_end()
            return
        message = json.loads(data)
        if "exited" in message:
            self._on_exit(message["exited"], message["status"])
        elif "ready" in message:
            _log.debug("zygote ready; not installed here: %s", ", ".join(message["missing"]) or "nothing")
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        else:
            self._on_reply(self._replies.pop(message["id"]), message)

    def _on_reply(self, reply: asyncio.Future[ForkedProcess], message: Mapping[str, Any]) -> None:
        if "pid" in message:
            # Known from here on, because word of its end may be the next message.
            process = self._processes[message["pid"]] = ForkedProcess(self, message["pid"])
            if reply.done():
                # Who asked for it has given up.
                process.kill()
            else:
                reply.set_result(process)
        elif not reply.done():
            reply.set_exception(Unavailable(f"No process could be started: {message['error']}."))

    def _on_exit(self, pid: int, code: int) -> None:
        process = self._processes.pop(pid)
        if not process.ended.done():
            process.ended.set_result(code)

    def _on_end(self) -> None:
        """The zygote is gone, and everything it had forked with it."""
        control, self._control = self._control, None
        ready, self._ready = self._ready, None
        if control is not None:
            asyncio.get_running_loop().remove_reader(control.fileno())
            control.close()
        failure = Unavailable("The compute node's fork server ended; it starts again with the next request.")
        if ready is not None and not ready.done():
            ready.set_exception(failure)
            ready.exception()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(failure)
        self._replies.clear()
        self._end_all()
        if self._zygote is not None:
            _log.error("the zygote ended (%s)", describe_exit(self._zygote.wait()))

    async def stop(self) -> None:
        """End the zygote and everything forked from it."""
        if self._control is None or self._zygote is None:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        self._ready = None
        zygote = self._zygote
        await asyncio.get_running_loop().run_in_executor(None, zygote.wait)
        self._end_all()

    def _end_all(self) -> None:
        for process in self._processes.values():
            process.orphaned = True
            if not process.ended.done():
                process.ended.set_result(-signal.SIGKILL)
        self._processes.clear()
