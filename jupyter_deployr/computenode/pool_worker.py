"""The web node's end of one worker of a pool: requests out, answers in, each in the order of the requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from jupyter_deployr.computenode.channel import RING, FrameParser, Request, pack
from jupyter_deployr.computenode.forking import ForkedProcess
from jupyter_deployr.computenode.outbox import Outbox
from jupyter_deployr.computenode.reports import REPORTED, Answer, without_report


class Call:
    """A request body on its way to an answer."""

    __slots__ = ("answer", "body")

    def __init__(self, body: bytes, answer: asyncio.Future[Answer]) -> None:
        self.body = body
        self.answer = answer


class PoolWorker(asyncio.Protocol):
    """The web node's end of one worker."""

    def __init__(
        self, on_answer: Callable[[int], None], on_lost: Callable[[PoolWorker], None], outbox: Outbox | None
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._parser = FrameParser()
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._outbox = outbox
        self._left = FrameParser()
        self._early: dict[int, tuple[int, int, bytes]] = {}
        self._sent = 0
        self._answered = 0
        self.in_flight: deque[Call] = deque()
        self.process: ForkedProcess | None = None
        self.loaded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, call: Call, code: int = Request.CALL) -> None:
        """Write one request; its answer arrives in `call`."""
        if not self._waiting:
            # One write for all that is sent in this turn of the event loop.
            self._loop.call_soon(self._flush)
        self._waiting += (pack(call.body, self._sent, code), call.body)
        self._sent = (self._sent + 1) & 0xFFFFFFFF
        self.in_flight.append(call)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(waiting)

    def data_received(self, data: bytes) -> None:
        self.look()
        for frame in self._parser.feed(data):
            if frame[1] == RING:
                continue
            if not self._answer(*frame):
                return

    def look(self) -> None:
        """Take the replies that lie in the outbox."""
        if self._outbox is None:
            return
        left = self._outbox.take()
        if left:
            for frame in self._left.feed(left):
                if not self._answer(*frame):
                    return

    def _answer(self, sequence: int, code: int, microseconds: int, payload: bytes) -> bool:
        """Resolve a call with its reply; False when it is no reply to a call that is out."""
        ahead = (sequence - self._answered) & 0xFFFFFFFF
        if ahead >= len(self.in_flight):
            # User code wrote into the channel: nothing that comes after can be trusted.
            self.kill()
            return False
        if ahead:
            # The one before it came over the other way, and is still to be read.
            self._early[sequence] = code, microseconds, payload
            return True
        self._resolve(code, microseconds, payload)
        while self._early and (early := self._early.pop(self._answered, None)):
            self._resolve(*early)
        return True

    def _resolve(self, code: int, microseconds: int, payload: bytes) -> None:
        self._answered = (self._answered + 1) & 0xFFFFFFFF
        call = self.in_flight.popleft()
        if not call.answer.done():
            call.answer.set_result((code, payload) if code < REPORTED else without_report(code, payload))
        if self.loaded:
            self._on_answer(microseconds)

    def connection_lost(self, error: Exception | None) -> None:
        self.look()
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        self._on_lost(self)

    def close(self) -> None:
        """Let the worker end: it does so when it reads the end of the channel."""
        if self._transport is not None:
            self._transport.close()

    def kill(self) -> None:
        """End the worker at once; `connection_lost` follows."""
        if self.process is not None:
            self.process.kill()
        self.close()
