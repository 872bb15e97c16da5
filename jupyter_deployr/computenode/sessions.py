"""Live sessions: one IPython kernel each, driven over its Jupyter channels."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from jupyter_deployr.computenode import kernel
from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.provisioner import ZygoteKernelManager
from jupyter_deployr.computenode.snapshot import NotKept
from jupyter_deployr.protocol.errors import BadRequest, Gone, ServerFault, StorageFull, Unavailable

_log = logging.getLogger(__name__)

_READY_SECONDS = 30
_SUBSCRIBED_SECONDS = 0.2

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
    """A request on the shell channel: its reply, the kernel's word that it is done, and what it printed."""

    reply: asyncio.Future[Message]
    idle: asyncio.Future[None]
    console: list[str] = field(default_factory=list)


class Session:
    """One live session. Requests to it wait for each other, except `interrupt` and `close`."""

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
        self._turn = asyncio.Lock()
        self._console: list[str] = []
        self.history: list[str] = []

    async def start(self) -> None:
        """Fork the kernel and connect to it. Raises Unavailable."""
        self.directory.mkdir(parents=True)
        self._sockets.mkdir(parents=True)
        try:
            await self._manager.start_kernel()
            self._process = self._manager.process
            client = self._client = self._manager.client(context=zmq.asyncio.Context.instance())
            client.start_channels(stdin=False, hb=False)
            self._readers = [
                asyncio.create_task(self._read_shell(client)),
                asyncio.create_task(self._read_iopub(client)),
            ]
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
        found = reply["metadata"].get(kernel.EXTRAS, {"outputs": {}, "fault": "", "changed": []})
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

    async def save(self, path: Path) -> list[NotKept]:
        """Save the workspace and the files to `path`; returns what could not be kept. Raises StorageFull, Gone."""
        async with self._turn:
            reply = await self._ask(kernel.SAVE, {"path": str(path)})
        content = reply["content"]
        if content["status"] != "ok":
            if content["errno"] in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("The disk is full: the snapshot was not saved.")
            raise ServerFault(f"The snapshot was not saved: {content['reason']}.")
        return [NotKept(**item) for item in content["not_kept"]]

    async def load(self, path: Path) -> None:
        """Merge the snapshot at `path` into the workspace and the files. Raises BadRequest with the reason, Gone."""
        async with self._turn:
            reply = await self._ask(kernel.LOAD, {"path": str(path)})
        if reply["content"]["status"] != "ok":
            raise BadRequest(reply["content"]["reason"])

    def interrupt(self) -> None:
        """Interrupt what is executing; the session lives on."""
        if self._process is not None:
            self._process.signal(signal.SIGINT)

    async def close(self) -> None:
        """End the process and remove everything the session had on disk."""
        if self._process is not None:
            self._process.kill()
        for reader in self._readers:
            reader.cancel()
        if self._client is not None:
            self._client.stop_channels()
        await self._manager.cleanup_resources()
        await asyncio.to_thread(self._remove_files)

    def _remove_files(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    # -------------------------------------------------------------------------------------------- channels

    async def _ask(
        self, kind: str, content: Message, metadata: Message | None = None, console: list[str] | None = None
    ) -> Message:
        """Send a shell request and wait for its reply and for all its output. Raises Gone."""
        client, process = self._client, self._process
        if client is None or process is None or process.ended.done():
            raise self._gone()
        loop = asyncio.get_running_loop()
        message = client.session.msg(kind, content, metadata=metadata)
        request = _Request(loop.create_future(), loop.create_future(), [] if console is None else console)
        identity = message["header"]["msg_id"]
        self._requests[identity] = request
        try:
            client.shell_channel.send(message)
            for answered in (request.reply, request.idle):
                await asyncio.wait((answered, process.ended), return_when=asyncio.FIRST_COMPLETED)
                if not answered.done():
                    raise self._gone()
            return request.reply.result()
        finally:
            del self._requests[identity]

    def _gone(self) -> Gone:
        code = self._process.ended.result() if self._process is not None and self._process.ended.done() else None
        how = "" if code is None else f" ({describe_exit(code)})"
        return Gone(f"The session has ended{how}; its variables and files are lost. Create a new session.")

    async def _subscribed(self) -> None:
        """Ask until an answer comes over iopub too: a subscription takes effect a moment after it is made."""
        while True:
            try:
                await asyncio.wait_for(self._ask("kernel_info_request", {}), _SUBSCRIBED_SECONDS)
                return
            except TimeoutError:
                continue

    async def _read_shell(self, client: AsyncKernelClient) -> None:
        while True:
            message = await client.shell_channel.get_msg()
            request = self._requests.get(message["parent_header"].get("msg_id"))
            if request is not None and not request.reply.done():
                request.reply.set_result(message)

    async def _read_iopub(self, client: AsyncKernelClient) -> None:
        while True:
            message = await client.iopub_channel.get_msg()
            request = self._requests.get(message["parent_header"].get("msg_id"))
            if request is None:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                if not request.idle.done():
                    request.idle.set_result(None)
            elif kind == "stream":
                request.console.append(content["text"])
            elif kind in ("execute_result", "display_data"):
                text = content["data"].get("text/plain")
                if text is not None:
                    request.console.append(f"{text}\n")
