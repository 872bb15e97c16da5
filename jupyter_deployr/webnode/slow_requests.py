"""Requests that come too slowly: their connections are closed, so that nobody can hold many of them for nothing.

All connections are looked at now and then, which costs a request nothing. Only the time counts in which the server
waits for the client: not what it needs for its answer, and not while it doesn't read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from jupyter_deployr.protocol.errors import RequestTooSlow
from jupyter_deployr.webnode.head_limit import HeadLimitProtocol

_BYTES_PER_SECOND = 500


class SlowRequests:
    """Closes connections that take longer than `seconds` for the head of a request, or bring less than 500 bytes a
    second of its body in that time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: dict[HeadLimitProtocol, _Wait] = {}

    def look(self, connections: Iterable[Any]) -> None:
        """Look at all connections."""
        now = asyncio.get_running_loop().time()
        waits: dict[HeadLimitProtocol, _Wait] = {}
        for connection in list(connections):
            if not isinstance(connection, HeadLimitProtocol) or not connection.awaits_client:
                continue
            wait = self._waits.get(connection)
            if wait is None or not wait.goes_on(connection):
                wait = _Wait(connection, now)
            elif now - wait.since >= self._seconds:
                if connection.is_in_body and connection.received - wait.received >= _BYTES_PER_SECOND * self._seconds:
                    wait = _Wait(connection, now)
                else:
                    connection.refuse(RequestTooSlow("The request came too slowly."))
                    continue
            waits[connection] = wait
        self._waits = waits


class _Wait:
    """What a connection was waited for since some moment, and how many bytes had come by then."""

    def __init__(self, connection: HeadLimitProtocol, since: float) -> None:
        self._what = self._waited_for(connection)
        self.since = since
        self.received = connection.received

    def goes_on(self, connection: HeadLimitProtocol) -> bool:
        """Whether it is waited for the same thing."""
        return self._what == self._waited_for(connection)

    @staticmethod
    def _waited_for(connection: HeadLimitProtocol) -> tuple[object, bool]:
        # The last request, whose own body is waited for, or the head behind it.
        return connection.cycle, connection.is_in_body
