"""Live sessions: one IPython kernel each, driven over its Jupyter channels."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import psutil
import zmq.asyncio

from jupyter_deployr.computenode import kernel
from jupyter_deployr.computenode.executions import Console, Execution, ExecutionLog, ExecutionLogs
from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.history import History
from jupyter_deployr.computenode.kernel_requests import KernelRequests, Message
from jupyter_deployr.computenode.provisioner import ZygoteKernelManager
from jupyter_deployr.computenode.saving import Progress, Selection, unheard
from jupyter_deployr.computenode.session_files import WORK, Draft, SessionFiles
from jupyter_deployr.computenode.trying import Trials
from jupyter_deployr.computenode.turns import Turns
from jupyter_deployr.protocol.errors import (
    BadRequest,
    Conflict,
    DeployRError,
    Gone,
    NotFound,
    ServerFault,
    StorageFull,
    Unavailable,
)

_READY_SECONDS = 30
# A kernel that was told to exit does so a tenth of a second later.
_EXIT_SECONDS = 5
_ASIDE_SECONDS = 10

Answer = TypeVar("Answer")


class Session:
    """One live session. Requests to it wait for each other, except `interrupt` and `close`.

    When its process ends, for whatever reason, everything else that it had goes at once: channels, tasks, files.
    """

    def __init__(self, zygote: ForkServer, scratch: Path, sockets: Path, *, load_seconds: float) -> None:
        """`load_seconds` is how long an object may take to load, to be in a snapshot."""
        self._trials = Trials(zygote, load_seconds)
        self._home = scratch / f"session-{secrets.token_hex(8)}"
        # Socket paths may have some 100 characters only, so these lie elsewhere.
        self._sockets = sockets / secrets.token_hex(8)
        self.directory = self._home / WORK
        self._manager = ZygoteKernelManager(
            zygote, directory=self.directory, sockets=self._sockets, ipython_dir=self._home / "ipython"
        )
        self._process: ForkedProcess | None = None
        self._requests: KernelRequests | None = None
        self._files: SessionFiles | None = None
        self._turn = Turns()
        self._closed = ""
        self._released: asyncio.Task[None] | None = None
        self._console = Console()
        self._logs = ExecutionLogs()
        self._history = History()
        self._executing_since: float | None = None

    async def start(self) -> None:
        """Fork the kernel and connect to it. Raises Unavailable."""
        try:
            self._files = await asyncio.to_thread(SessionFiles, self._home)
            self._sockets.mkdir(parents=True)
            try:
                await self._manager.start_kernel()
            finally:
                self._process = self._manager.process
            assert self._process is not None
            client = self._manager.client(context=zmq.asyncio.Context.instance())
            self._requests = KernelRequests(client, self._process, self.gone)
            self._released = asyncio.create_task(self._release())
            await asyncio.wait_for(self._requests.subscribed(), _READY_SECONDS)
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
        """Whether something is being done."""
        return self._turn.locked()

    @property
    def executing_since(self) -> float | None:
        """When the code that runs began to, in seconds since 1970; None when none runs."""
        return self._executing_since

    @property
    def console_output(self) -> str:
        """Console text of the current or last execution."""
        return self._console.text

    @property
    def history(self) -> list[str]:
        """The code that was executed, the oldest first; of very much, the latest."""
        return self._history.entries()

    async def memory(self) -> int | None:
        """Bytes of memory that the process shares with no other; None where the system doesn't tell."""
        if self._process is None:
            return None
        return await asyncio.to_thread(_own_memory, self._process.pid)

    # ------------------------------------------------------------------------------------------------- code

    async def execute(self, code: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Execution:
        """Run `code`. Inputs are set before, outputs read after. Raises Gone when the process ends meanwhile."""
        return await self._execute(code, inputs, outputs, None)

    def begin(self, code: str, inputs: Mapping[str, Any], outputs: Sequence[str]) -> ExecutionLog:
        """As `execute`, in the background: what it says can be followed, and its `outcome` awaited."""
        log = ExecutionLog()
        log.add("status", {"execution_state": "starting"}, {"executionId": log.id})
        self._logs.add(log)
        log.begin(self._execute(code, inputs, outputs, log), self._logs.trim)
        return log

    def execution(self, identity: str) -> ExecutionLog:
        """One that `begin` began. Raises NotFound, also for one that ended long ago."""
        log = self._logs.get(identity)
        if log is None:
            raise NotFound("The session has no execution of that id, or it ended long ago.")
        return log

    async def _execute(
        self, code: str, inputs: Mapping[str, Any], outputs: Sequence[str], log: ExecutionLog | None
    ) -> Execution:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        async with self._turn:
            # As text of their own, with NaN and integers of any size, for which a message has no place.
            given = await asyncio.to_thread(json.dumps, dict(inputs))
            extras = {"inputs": given, "outputs": list(outputs)}
            console = self._console = Console()
            self._history.add(code)

            def hear(message: Message) -> None:
                console.hear(message)
                if log is not None:
                    log.hear(message)

            self._executing_since = time.time()
            try:
                reply = await self._connected().ask("execute_request", content, {kernel.EXTRAS: extras}, hear)
            finally:
                self._executing_since = None
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
            console_output=console.text,
            outputs=found["outputs"],
            changed_files=found["changed"],
            traceback=answer.get("traceback") or (),
        )

    async def complete(self, code: str, cursor: int) -> Message:
        """Jupyter's reply to what could stand at `cursor` in `code`; also while code runs. Raises Gone, TimedOut."""
        return await self._ask_aside("complete_request", {"code": code, "cursor_pos": cursor})

    async def inspect(self, code: str, cursor: int, detail: int) -> Message:
        """Jupyter's reply to what stands at `cursor` in `code`; also while code runs. Raises Gone, TimedOut."""
        asked = {"code": code, "cursor_pos": cursor, "detail_level": detail}
        return await self._ask_aside("inspect_request", asked)

    async def _ask_aside(self, kind: str, content: Message) -> Message:
        reply = await self._connected().ask_aside(kind, content, _ASIDE_SECONDS)
        answer: Message = reply["content"]
        return answer

    # -------------------------------------------------------------------------------------- files and objects

    async def file_names(self) -> list[str]:
        """The files of the working directory, as `SessionFiles.names`. Raises Gone."""
        return await self._with_files(lambda files: files.names())

    async def open_file(self, name: str) -> BinaryIO:
        """A file of the working directory, to read and close. Raises BadRequest, NotFound, Gone."""
        return await self._with_files(lambda files: files.open(name))

    async def delete_file(self, name: str) -> None:
        """Remove a file of the working directory. Raises BadRequest, NotFound, Gone."""
        await self._with_files(lambda files: files.delete(name))

    async def draft(self) -> Draft:
        """A new file for `keep_file` or `set_object`, which its `with` removes otherwise. Raises Gone."""
        return await self._with_files(lambda files: files.draft())

    async def keep_file(self, draft: Draft, name: str) -> None:
        """Make a draft a file of the working directory, in place of what has that name there.

        Raises BadRequest, Conflict, Gone, and OSError when the disk is full.
        """
        await self._with_files(lambda _: draft.keep_as(name))

    async def objects(self) -> list[str]:
        """The names of the workspace's objects as they are shown, in order; also while code runs.

        Raises Gone, TimedOut.
        """
        answer = await self._ask_aside(kernel.NAMES, {})
        names: list[str] = answer["names"]
        return names

    async def open_object(self, name: str) -> BinaryIO:
        """The dill bytes of an object, to read and close.

        Raises NotFound, BadRequest when dill can't write it, Conflict when interrupted, StorageFull, Gone.
        """
        path = await self._with_files(lambda files: files.handed_over())
        try:
            await self._ask_for_object({"do": "get", "name": name, "path": str(path)})
            return await self._with_files(lambda files: files.take(path))
        finally:
            if self._files is not None:
                await asyncio.to_thread(self._files.discard, path)

    async def set_object(self, name: str, draft: Draft) -> None:
        """Define an object from a draft of dill bytes. They are loaded in the session.

        Raises BadRequest when they can't be, Conflict when interrupted, StorageFull, Gone.
        """
        await asyncio.to_thread(draft.complete)
        await self._ask_for_object({"do": "set", "name": name, "path": str(draft.path)})

    async def delete_object(self, name: str) -> None:
        """Delete an object. Raises NotFound, Gone."""
        await self._ask_for_object({"do": "delete", "name": name})

    async def _with_files(self, work: Callable[[SessionFiles], Answer]) -> Answer:
        if self.ended or self._files is None:
            raise self.gone()
        try:
            return await asyncio.to_thread(work, self._files)
        except (OSError, DeployRError):
            if self.ended:
                raise self.gone() from None
            raise

    async def _ask_for_object(self, asked: Message) -> Message:
        async with self._turn:
            reply = await self._connected().ask(kernel.OBJECT, asked)
        content: Message = reply["content"]
        match content["status"]:
            case "unknown":
                raise NotFound("The session has no object of that name.")
            case "refused":
                raise BadRequest(content["reason"])
            case "interrupted":
                raise Conflict("The request was interrupted.")
            case "error":
                raise _disk_fault(content, "The object was not transferred")
        return content

    # ---------------------------------------------------------------------------------------------- snapshots

    async def save(self, path: Path, selection: Selection, progress: Progress = unheard) -> None:
        """Save the selected part of workspace and files to `path`; the file says what could not be kept.

        It is loaded on trial, and written again without what can't be loaded, until all that it has can be. `progress`
        is told what is being saved and the bytes written so far. Raises BadRequest (a name that isn't there; with
        `strict`, something that can't be kept), Conflict when interrupted, StorageFull, Gone.
        """
        unloadable: dict[str, str] = {}
        async with self._turn:
            await self._write_snapshot(path, selection, unloadable, progress)
            while found := await self._trials.unloadable(path):
                if found.keys() <= unloadable.keys():
                    raise ServerFault(f"The snapshot was not saved: without {', '.join(found)} it can't be loaded.")
                unloadable |= found
                await self._write_snapshot(path, selection, unloadable, progress)

    async def _write_snapshot(
        self, path: Path, selection: Selection, unloadable: Mapping[str, str], progress: Progress
    ) -> None:
        asked = {"path": str(path), "selection": selection.to_json(), "unloadable": dict(unloadable)}
        reply = await self._connected().ask(kernel.SAVE, asked, hear=_hearing(progress))
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
            reply = await self._connected().ask(kernel.LOAD, {"path": str(path)})
        content = reply["content"]
        match content["status"]:
            case "refused":
                raise BadRequest(content["reason"])
            case "interrupted":
                raise Conflict("Loading the snapshot was interrupted; a part of it may be in the session.")
            case "error":
                raise _disk_fault(content, "The snapshot was not loaded")

    # ----------------------------------------------------------------------------------------------- the end

    def interrupt(self) -> None:
        """Interrupt what is executing; the session lives on."""
        if self._trials.interrupt():
            return
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
        if self._requests is not None:
            await self._requests.close()
        await self._manager.cleanup_resources()
        await asyncio.to_thread(self._remove_files)

    def _connected(self) -> KernelRequests:
        """Raises Gone."""
        if self._requests is None:
            raise self.gone()
        return self._requests

    def _remove_files(self) -> None:
        if self._files is not None:
            self._files.close()
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)


def _hearing(progress: Progress) -> Callable[[Message], None]:
    def hear(message: Message) -> None:
        if message["msg_type"] == kernel.PROGRESS:
            progress(message["content"]["name"], message["content"]["written"])

    return hear


def _own_memory(pid: int) -> int | None:
    try:
        own: int = psutil.Process(pid).memory_full_info().uss
    except psutil.Error:
        return None
    return own


def _disk_fault(content: Message, what: str) -> DeployRError:
    if content["errno"] in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"{what}: the disk is full.")
    return ServerFault(f"{what}: {content['reason']}.")
