"""More connections than there are files for: those end that are worth the least, before nobody can come in any more."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from enum import Enum
from typing import Protocol

from jupyter_deployr.computenode import FewLines

_log = logging.getLogger(__name__)

# Of eight files that the server may open, five are for connections; the others are for workers, sessions, and what the
# server keeps.
_FILES, _CONNECTIONS = 8, 5
# Looking through all of them is for many, not for each that comes.
_ENDED_AT_ONCE = 1 / 8
# Who has just come is about to send something.
_FRESH_SECONDS = 1.0


class Awaited(Enum):
    """What the server waits for on a connection."""

    FIRST_HEAD = "the head of a first request"
    NEXT_HEAD = "the head of another one"
    BODY = "the rest of a body"


class Connection(Protocol):
    """A connection, as far as it matters here."""

    @property
    def awaited(self) -> Awaited | None:
        """What is waited for; None while an answer is owed."""

    @property
    def idle_until(self) -> float:
        """The time of the loop at which an idle connection will be closed; 0.0 of one that isn't idle."""

    def end(self) -> None:
        """Close it at once."""


class Crowd:
    """The open connections of a server, and a bound on their number. Wants a running event loop.

    Beyond the bound an eighth of them is ended: those that have not brought a whole head for a second, the oldest
    first, then the idle ones. Where these don't suffice, those whose body is still coming, or those that have just
    come, whichever are more. One that is owed an answer is never ended.
    """

    def __init__(self, open_files: int) -> None:
        """`open_files` is what the process may have open in all."""
        self._open_files = open_files
        self._most = max(1, open_files * _CONNECTIONS // _FILES)
        self._since: dict[Connection, float] = {}
        self._lines = FewLines(_log, logging.WARNING, "times that connections were ended to make room")

    def came(self, connection: Connection) -> None:
        """A connection was opened."""
        self._since[connection] = asyncio.get_running_loop().time()
        if len(self._since) > self._most:
            self._make_room()

    def left(self, connection: Connection) -> None:
        """A connection is closed."""
        self._since.pop(connection, None)

    def _make_room(self) -> None:
        chosen = self._least_worth()[: max(1, int(self._most * _ENDED_AT_ONCE))]
        for connection in chosen:
            self.left(connection)
            connection.end()
        self._lines.write(
            "%d connections on which nothing was to be answered were ended: more than %d were open, of %d files that "
            "the server may open (ulimit -n)",
            len(chosen),
            self._most,
            self._open_files,
        )

    def _least_worth(self) -> list[Connection]:
        fresh_since = asyncio.get_running_loop().time() - _FRESH_SECONDS
        waiting = defaultdict(list)
        fresh = []
        # In the order in which they came.
        for connection, since in self._since.items():
            awaited = connection.awaited
            if awaited is Awaited.FIRST_HEAD and since > fresh_since:
                fresh.append(connection)
            else:
                waiting[awaited].append(connection)
        idle = sorted(waiting[Awaited.NEXT_HEAD], key=lambda connection: connection.idle_until)
        first, last = sorted((waiting[Awaited.BODY], fresh), key=len, reverse=True)
        return [*waiting[Awaited.FIRST_HEAD], *idle, *first, *last]
