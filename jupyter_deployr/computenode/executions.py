"""Executions of code in a session: what they say while they run, and how they end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from jupyter_deployr.computenode.limited_output import CUT

Message = dict[str, Any]

STREAMED = frozenset(
    {"status", "stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"}
)
"""The Jupyter messages of an execution that its followers get."""

# What is kept of an execution that runs or has run, however much it says.
_MAX_CONSOLE = 1_000_000
_MAX_LINES_BYTES = 16 * 1024 * 1024
_MAX_LINES = 10_000
# Of executions that have ended, so many and so much of their results are kept for those who come back.
_KEPT = 20
_KEPT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Execution:
    """How an execution ended. `outputs` maps names to JSON text; `traceback` is IPython's, line by line."""

    success: bool
    error_message: str
    console_output: str
    outputs: Mapping[str, str]
    changed_files: Sequence[str]
    traceback: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Characters of what it holds, nearly."""
        return len(self.console_output) + sum(map(len, self.outputs.values()))


class Console:
    """The text that an execution prints and shows, up to a limit; what is there stays as it is."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _MAX_CONSOLE

    @property
    def text(self) -> str:
        """All of it so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def hear(self, message: Message) -> None:
        """Add what a Jupyter message has to say here."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            self._add(content["text"])
        elif kind in ("execute_result", "display_data") and "text/plain" in content["data"]:
            self._add(f"{content['data']['text/plain']}\n")

    def _add(self, text: str) -> None:
        if self._room <= 0:
            return
        if len(text) > self._room:
            text = text[: self._room] + CUT.format(limit=_MAX_CONSOLE)
        self._parts.append(text)
        self._room -= len(text)


class ExecutionLog:
    """The messages of one execution as lines of JSON, numbered from 1, for any number of followers.

    Only the latest are kept; who comes late or is slow is told how many are missing.
    """

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self._task: asyncio.Task[Execution] | None = None
        self._lines: dict[int, bytes] = {}
        self._bytes = 0
        self._first = 1
        self._last = 0
        self._ended = False
        self._news = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    @property
    def size(self) -> int:
        """Bytes of what is kept, nearly."""
        task = self._task
        held = 0 if task is None or not task.done() or task.cancelled() or task.exception() else task.result().size
        return held + self._bytes

    def add(self, kind: str, content: Message, metadata: Message | None = None) -> None:
        """A further message."""
        self._last += 1
        line = _line({"seq": self._last, "msg_type": kind, "content": content, "metadata": metadata or {}})
        self._lines[self._last] = line
        self._bytes += len(line)
        while len(self._lines) > 1 and (self._bytes > _MAX_LINES_BYTES or len(self._lines) > _MAX_LINES):
            self._bytes -= len(self._lines.pop(self._first))
            self._first += 1
        self._tell()

    def hear(self, message: Message) -> None:
        """A message of the kernel's, which counts if it is one of STREAMED."""
        kind = message["msg_type"]
        if kind in STREAMED:
            content = message["content"]
            if kind == "error":
                content = {name: content.get(name) for name in ("ename", "evalue", "traceback")}
            self.add(kind, content, message["metadata"])

    def begin(self, work: Coroutine[Any, Any, Execution], then: Callable[[], None]) -> None:
        """Do the work of the execution in the background; `then` is called at its end."""

        def end(task: asyncio.Task[Execution]) -> None:
            if not task.cancelled():
                # Those who follow it hear of this; there may be none.
                task.exception()
            self._ended = True
            self._tell()
            then()

        self._task = asyncio.create_task(work)
        self._task.add_done_callback(end)

    async def outcome(self) -> Execution:
        """How it ended, once it has. Raises what `Session.execute` raises."""
        assert self._task is not None
        # Who waits may go away.
        return await asyncio.shield(self._task)

    async def follow(self, after: int) -> AsyncIterator[bytes]:
        """The lines after the one of that number, those to come as they come. Ends with the execution."""
        while True:
            news = self._news
            while after < self._last:
                if after + 1 < self._first:
                    missing, after = self._first - 1 - after, self._first - 1
                    yield _line({"seq": after, "msg_type": "truncated", "content": {"missing": missing}})
                    continue
                after += 1
                yield self._lines[after]
            if self._ended:
                return
            await news.wait()

    def _tell(self) -> None:
        self._news.set()
        if not self._ended:
            self._news = asyncio.Event()


class ExecutionLogs:
    """The logs of a session's executions: of those that wait or run, and of the last that ended."""

    def __init__(self) -> None:
        self._logs: dict[str, ExecutionLog] = {}

    def get(self, identity: str) -> ExecutionLog | None:
        """The log of an execution, if it is still kept."""
        return self._logs.get(identity)

    def add(self, log: ExecutionLog) -> None:
        """Keep a log, and let go of old ones."""
        self._logs[log.id] = log

    def trim(self) -> None:
        """Let go of what is too much, the oldest first; the latest stays."""
        ended = [log for log in self._logs.values() if log.ended]
        kept_bytes = 0
        for position, log in enumerate(reversed(ended)):
            kept_bytes += log.size
            if position and (position >= _KEPT or kept_bytes > _KEPT_BYTES):
                del self._logs[log.id]


def _line(message: Message) -> bytes:
    try:
        return orjson.dumps(message) + b"\n"
    except TypeError:
        # Integers of any size, which only strings can carry.
        return orjson.dumps(_plain(message)) + b"\n"


def _plain(value: object) -> object:
    match value:
        case int() if abs(value) >= 1 << 63:
            return str(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
