"""Live sessions: one IPython kernel each, driven over its Jupyter channels."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel

from jupyter_deployr.computenode import kernel
from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.provisioner import ZygoteKernelManager
from jupyter_deployr.computenode.saving import Progress, Selection, unheard
from jupyter_deployr.computenode.turns import Turns
from jupyter_deployr.protocol.errors import (
    BadRequest,
    Conflict,
    DeployRError,
    Gone,
    ServerFault,
    StorageFull,
    Unavailable,
)

_log = logging.getLogger(__name__)

_READY_SECONDS = 30
_SUBSCRIBED_SECONDS = 0.2
# A kernel that was told to exit does so a tenth of a second later.
_EXIT_SECONDS = 5
# At most so long between a reply and the kernel's word that it is idle, in whichever order they come.
_SILENCE_SECONDS = 10

Message = dict[str, Any]


@dataclass(frozen=True)
class Execution:
    """How an execution ended. `outputs` maps names to JSON text; `traceback` is IPython's, line by line."""

    success: bool
    error_message: str
    console_output: str
    outputs: Mapping[str, str]
    changed_files: Sequence[str]
    traceback: Sequence[str] = ()


@dataclass
class _Request:
    """A request on the shell channel: its reply, the kernel's word that it is done, what it printed, and who hears of
    its progress."""

    reply: asyncio.Future[Message]
    idle: asyncio.Future[None]
    console: list[str] = field(default_factory=list)
    progress: Progress = unheard
    heard: int = 0


class Session:
    """One live session. Requests to it wait for each other, except `interrupt` and `close`.

    When its process ends, for whatever reason, everything else that it had goes at once: channels, tasks, files.
    """

    def __init__(self, zygote: ForkServer, scratch: Path, sockets: Path) -> None:
        self._home = scratch / f"session-{secrets.token_hex(8)}"
        # Socket paths may have some 100 characters only, so these lie elsewhere.
        self._sockets = sockets / secrets.token_hex(8)
        self.directory = self._home / "work"
        self._manager = ZygoteKernelManager(
            zygote, directory=self.directory, sockets=self._sockets, ipython_dir=self._home / "ipython"
        )
        self._client: AsyncKernelClient | None = None
        self._process: ForkedProcess | None = None
        self._requests: dict[str, _Request] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._turn = Turns()
        self._closed = ""
        self._released: asyncio.Task[None] | None = None
        self._console: list[str] = []
        self.history: list[str] = []

    async def start(self) -> None:
        """Fork the kernel and connect to it. Raises Unavailable."""
        try:
            self.directory.mkdir(parents=True)
            self._sockets.mkdir(parents=True)
            try:
                await self._manager.start_kernel()
            finally:
                self._process = self._manager.process
            client = self._client = self._manager.client(context=zmq.asyncio.Context.instance())
            client.start_channels(stdin=False, hb=False, control=False)
            self._readers = [
                asyncio.create_task(self._read(client.shell_channel, self._hear_reply)),
                asyncio.create_task(self._read(client.iopub_channel, self._hear_output)),
            ]
            self._released = asyncio.create_task(self._release())
            await asyncio.wait_for(self._subscribed(), _READY_SECONDS)
        except TimeoutError:
            await self.close()
            raise Unavailable("The session's kernel did not answer in time.") from None
        except BaseException:
            await self.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether the kernel's process is gone."""
        return self._process is None or self._process.ended.done()

    @property
    def ending(self) -> str:
        """How the session ended, as the end of a sentence that begins with "the session"."""
        if self._closed:
            return self._closed
        if self._process is None or not self._process.ended.done():
            return "has ended"
        if self._process.orphaned:
            return "has ended (the process that all sessions are forked from has ended)"
        code = self._process.ended.result()
        return f"has ended ({'its code broke its kernel' if code == kernel.BROKEN else describe_exit(code)})"

    def gone(self) -> Gone:
        """What answers requests to this session from its end on."""
        return Gone(f"The session {self.ending}; its variables and files are lost. Create a new session.")

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the process has ended and nothing is left of what the session had."""
        assert self._released is not None
        self._released.add_done_callback(lambda _: callback())

    @property
    def idle_seconds(self) -> float:
        """How long ago the last request ended; 0 while one runs or waits for its turn."""
        return self._turn.idle_seconds

    def touch(self) -> None:
        """Count as used now."""
        self._turn.touch()

    @property
    def busy(self) -> bool:
        """Whether something is executing."""
        return self._turn.locked()

    @property
    def console_output(self) -> str:
        """Console text of the current or last execution."""
        return "".join(self._console)

    # -------------------------------------------------------------------------------------------- requests

    async def execute(self, code: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Execution:
        """Run `code`. Inputs are set before, outputs read after. Raises Gone when the process ends meanwhile."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        extras = {"inputs": dict(inputs), "outputs": list(outputs)}
        async with self._turn:
            self._console = []
            self.history.append(code)
            reply = await self._ask("execute_request", content, {kernel.EXTRAS: extras}, self._console)
            answer = reply["content"]
            found = reply["metadata"].get(kernel.EXTRAS, {"outputs": {}, "fault": "", "changed": [], "exiting": False})
            if found["exiting"]:
                await self._exit()
                raise self.gone()
        failure = found["fault"]
        if answer["status"] != "ok":
            failure = f"{answer.get('ename', 'Aborted')}: {answer.get('evalue', '')}".removesuffix(": ")
        return Execution(
            success=not failure,
            error_message=failure,
            console_output=self.console_output,
            outputs=found["outputs"],
            changed_files=found["changed"],
            traceback=answer.get("traceback") or (),
        )

    async def save(self, path: Path, selection: Selection, progress: Progress = unheard) -> None:
        """Save the selected part of workspace and files to `path`; the file says what could not be kept.

        `progress` is told what is being saved and the bytes written so far. Raises BadRequest (a name that isn't
        there; with `strict`, something that can't be kept), Conflict when interrupted, StorageFull, Gone.
        """
        asked = {"path": str(path), "selection": selection.to_json()}
        async with self._turn:
            reply = await self._ask(kernel.SAVE, asked, progress=progress)
        content = reply["content"]
        match content["status"]:
            case "unknown":
                raise BadRequest(f"The session has no variable or file of the name {content['reason']}.")
            case "refused":
                raise BadRequest(f"Nothing was saved, because not everything can be: {content['reason']}.")
            case "interrupted":
                raise Conflict("The snapshot was interrupted; nothing was saved.")
            case "error":
                raise _disk_fault(content, "The snapshot was not saved")

    async def load(self, path: Path) -> None:
        """Merge the snapshot at `path` into the workspace and the files.

        Raises BadRequest with the reason, Conflict when interrupted, StorageFull, Gone.
        """
        async with self._turn:
            reply = await self._ask(kernel.LOAD, {"path": str(path)})
        content = reply["content"]
        match content["status"]:
            case "refused":
                raise BadRequest(content["reason"])
            case "interrupted":
                raise Conflict("Loading the snapshot was interrupted; a part of it may be in the session.")
            case "error":
                raise _disk_fault(content, "The snapshot was not loaded")

    def interrupt(self) -> None:
        """Interrupt what is executing; the session lives on."""
        if self._process is not None:
            self._process.signal(signal.SIGINT)

    async def close(self, how: str = "was closed") -> None:
        """End the process at once, whatever it does, and wait until nothing is left. `how` becomes its `ending`."""
        if not self.ended:
            self._closed = self._closed or how
        if self._process is not None:
            self._process.kill()
        if self._released is None:
            self._released = asyncio.create_task(self._release())
        await asyncio.shield(self._released)

    async def _exit(self) -> None:
        """Wait for the end of a process that is about to exit by itself."""
        assert self._process is not None
        await asyncio.wait((self._process.ended,), timeout=_EXIT_SECONDS)
        self._process.kill()
        await asyncio.wait((self._process.ended,))

    async def _release(self) -> None:
        """Wait for the end of the process, then give back all that the session had."""
        if self._process is not None:
            await asyncio.wait((self._process.ended,))
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if self._client is not None:
            self._client.stop_channels()
        await self._manager.cleanup_resources()
        await asyncio.to_thread(self._remove_files)

    def _remove_files(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    # -------------------------------------------------------------------------------------------- channels

    async def _ask(
        self,
        kind: str,
        content: Message,
        metadata: Message | None = None,
        console: list[str] | None = None,
        progress: Progress = unheard,
    ) -> Message:
        """Send a shell request and wait for its reply and for all its output. Raises Gone."""
        client, process = self._client, self._process
        if client is None or process is None or process.ended.done():
            raise self.gone()
        loop = asyncio.get_running_loop()
        message = client.session.msg(kind, content, metadata=metadata)
        request = _Request(loop.create_future(), loop.create_future(), [] if console is None else console, progress)
        identity = message["header"]["msg_id"]
        self._requests[identity] = request
        try:
            client.shell_channel.send(message)
            await self._replied(request, process)
            await self._all_output(request, process)
            return request.reply.result()
        finally:
            del self._requests[identity]

    async def _replied(self, request: _Request, process: ForkedProcess) -> None:
        """Wait for the reply. Raises Gone, or ServerFault when the kernel is done with the request and says nothing."""
        answers = (request.reply, process.ended)
        await asyncio.wait((*answers, request.idle), return_when=asyncio.FIRST_COMPLETED)
        if not request.reply.done() and not process.ended.done():
            # The two come over channels of their own.
            await asyncio.wait(answers, timeout=_SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not request.reply.done():
            if process.ended.done():
                raise self.gone()
            raise ServerFault("The session gave no answer to the request. Try again, or create a new session.")

    async def _all_output(self, request: _Request, process: ForkedProcess) -> None:
        """Wait for the output before the kernel's word that it is idle, but not for a kernel that keeps silent: user
        code may have closed that channel, or an interrupt come in between. Raises Gone."""
        while not request.idle.done():
            heard = request.heard
            await asyncio.wait(
                (request.idle, process.ended), timeout=_SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if process.ended.done():
                raise self.gone()
            if request.heard == heard:
                return

    async def _subscribed(self) -> None:
        """Ask until an answer comes over iopub too: a subscription takes effect a moment after it is made."""
        while True:
            try:
                await asyncio.wait_for(self._ask("kernel_info_request", {}), _SUBSCRIBED_SECONDS)
                return
            except TimeoutError:
                continue

    async def _read(self, channel: AsyncZMQSocketChannel, hear: Callable[[Message], None]) -> None:
        while True:
            try:
                hear(await channel.get_msg())
            except zmq.ZMQError:
                raise
            except Exception:
                # User code can reach the kernel's sockets and send what it likes.
                _log.debug("a session sent what is no Jupyter message")

    def _hear_reply(self, message: Message) -> None:
        request = self._requests.get(message["parent_header"].get("msg_id"))
        if request is not None and not request.reply.done():
            request.reply.set_result(message)

    def _hear_output(self, message: Message) -> None:
        request = self._requests.get(message["parent_header"].get("msg_id"))
        if request is None:
            return
        request.heard += 1
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            if not request.idle.done():
                request.idle.set_result(None)
        elif kind == kernel.PROGRESS:
            request.progress(content["name"], content["written"])
        elif kind == "stream":
            request.console.append(content["text"])
        elif kind in ("execute_result", "display_data"):
            text = content["data"].get("text/plain")
            if text is not None:
                request.console.append(f"{text}\n")


def _disk_fault(content: Message, what: str) -> DeployRError:
    if content["errno"] in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"{what}: the disk is full.")
    return ServerFault(f"{what}: {content['reason']}.")
