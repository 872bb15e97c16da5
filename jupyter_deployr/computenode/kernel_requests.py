"""Requests to a session's kernel over its Jupyter channels: each gets its own reply and its own output."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel

from jupyter_deployr.computenode.forking import ForkedProcess
from jupyter_deployr.protocol.errors import Gone, ServerFault, TimedOut

_log = logging.getLogger(__name__)

_SUBSCRIBED_SECONDS = 0.2
# At most so long between a reply and the kernel's word that it is idle, in whichever order they come.
_SILENCE_SECONDS = 10

Message = dict[str, Any]
Hear = Callable[[Message], None]


def unheard(message: Message) -> None:
    """Output that nobody waits for."""


@dataclass
class _Request:
    """A request: its reply, the kernel's word that it is done, who hears its output and how much there was."""

    reply: asyncio.Future[Message]
    idle: asyncio.Future[None]
    hear: Hear
    heard: int = 0


class KernelRequests:
    """The channels of one kernel, whose process may end at any time."""

    def __init__(self, client: AsyncKernelClient, process: ForkedProcess, gone: Callable[[], Gone]) -> None:
        """Connect. `gone` makes the error for what the end of the process leaves unanswered."""
        self._client = client
        self._process = process
        self._gone = gone
        self._requests: dict[str, _Request] = {}
        client.start_channels(stdin=False, hb=False)
        self._readers = [
            asyncio.create_task(self._read(client.shell_channel, self._hear_reply)),
            asyncio.create_task(self._read(client.control_channel, self._hear_reply)),
            asyncio.create_task(self._read(client.iopub_channel, self._hear_output)),
        ]

    async def close(self) -> None:
        """Disconnect."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._client.stop_channels()

    async def ask(self, kind: str, content: Message, metadata: Message | None = None, hear: Hear = unheard) -> Message:
        """Send a request to do after those before it, and wait for its reply and for all its output.

        Raises Gone, ServerFault when the kernel is done with it and says nothing.
        """
        return await self._exchange(self._client.shell_channel, kind, content, metadata, hear, output=True)

    async def ask_aside(self, kind: str, content: Message, seconds: float) -> Message:
        """Send a request to answer at once, whatever else is being done. Raises Gone, TimedOut, ServerFault."""
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(self._client.control_channel, kind, content, None, unheard, output=False)
        except TimeoutError:
            raise TimedOut(f"The session gave no answer within {seconds:g} s; it may be busy.") from None

    async def subscribed(self) -> None:
        """Ask until an answer comes over iopub too: a subscription takes effect a moment after it is made.

        Each question is waited for to the end, and asked again after longer and longer pauses: on a busy machine the
        kernel needs more time for one than there is between the first two. Raises Gone.
        """
        with ExitStack() as asked:
            idle: list[asyncio.Future[None]] = []
            pause = _SUBSCRIBED_SECONDS
            while not any(answer.done() for answer in idle):
                request = asked.enter_context(self._sent(self._client.shell_channel, "kernel_info_request", {}))
                idle.append(request.idle)
                ends: list[asyncio.Future[Any]] = [*idle, self._process.ended]
                await asyncio.wait(ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                if self._process.ended.done():
                    raise self._gone()
                pause *= 2

    async def _exchange(
        self,
        channel: AsyncZMQSocketChannel,
        kind: str,
        content: Message,
        metadata: Message | None,
        hear: Hear,
        *,
        output: bool,
    ) -> Message:
        with self._sent(channel, kind, content, metadata, hear) as request:
            await self._replied(request)
            if output:
                await self._all_output(request)
            return request.reply.result()

    @contextmanager
    def _sent(
        self,
        channel: AsyncZMQSocketChannel,
        kind: str,
        content: Message,
        metadata: Message | None = None,
        hear: Hear = unheard,
    ) -> Iterator[_Request]:
        """A request whose answers are noted during the block. Raises Gone."""
        if self._process.ended.done():
            raise self._gone()
        loop = asyncio.get_running_loop()
        message = self._client.session.msg(kind, content, metadata=metadata)
        request = _Request(loop.create_future(), loop.create_future(), hear)
        identity = message["header"]["msg_id"]
        self._requests[identity] = request
        try:
            channel.send(message)
            yield request
        finally:
            del self._requests[identity]

    async def _replied(self, request: _Request) -> None:
        """Wait for the reply. Raises Gone, or ServerFault when the kernel is done with the request and says nothing."""
        answers = (request.reply, self._process.ended)
        await asyncio.wait((*answers, request.idle), return_when=asyncio.FIRST_COMPLETED)
        if not request.reply.done() and not self._process.ended.done():
            # The two come over channels of their own.
            await asyncio.wait(answers, timeout=_SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not request.reply.done():
            if self._process.ended.done():
                raise self._gone()
            raise ServerFault("The session gave no answer to the request. Try again, or create a new session.")

    async def _all_output(self, request: _Request) -> None:
        """Wait for the output before the kernel's word that it is idle, but not for a kernel that keeps silent: user
        code may have closed that channel, or an interrupt come in between. Raises Gone."""
        while not request.idle.done():
            heard = request.heard
            await asyncio.wait(
                (request.idle, self._process.ended), timeout=_SILENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if self._process.ended.done():
                raise self._gone()
            if request.heard == heard:
                return

    async def _read(self, channel: AsyncZMQSocketChannel, hear: Hear) -> None:
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
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            if not request.idle.done():
                request.idle.set_result(None)
        else:
            request.hear(message)
