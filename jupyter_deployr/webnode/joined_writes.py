"""uvicorn's HTTP protocol, writing to each connection once per turn of the event loop.

uvicorn writes the head and the body of a response one after the other, and uvloop sends each at once: two system calls
and two packets where one will do. Measured, that is a sixth of the time that a call of a service costs the web node.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from jupyter_deployr.webnode.crowd import Crowd
from jupyter_deployr.webnode.head_limit import HeadLimitProtocol


class _JoinedWrites:
    """A transport that gathers what is written during one turn of the loop; all else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting = self._waiting
        if waiting:
            self._waiting = []
            self._transport.write(b"".join(waiting))


class JoinedWritesProtocol(HeadLimitProtocol):
    """What uvicorn runs for each connection, of which there are as many as `crowd` bears."""

    def __init__(self, *arguments: Any, crowd: Crowd, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._crowd = crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        joined = _JoinedWrites(cast(asyncio.Transport, transport), self.loop)
        super().connection_made(cast(asyncio.Transport, joined))
        self._crowd.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._crowd.left(self)
        super().connection_lost(exc)
