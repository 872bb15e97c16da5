"""Sessions that are started before anybody asks for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from jupyter_deployr.computenode.sessions import Session

_log = logging.getLogger(__name__)

# A start waits until nobody has taken a session for so long: it would compete with the first cell of who did.
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class WarmSessions:
    """Keeps a number of started sessions ready, and starts another for each that is taken or ends."""

    def __init__(self, start: Callable[[], Awaitable[Session]], size: int) -> None:
        """`start` starts one session."""
        self._start = start
        self._size = size
        self._ready: list[Session] = []
        self._wanted = asyncio.Event()
        self._not_before = 0.0
        self._failures = 0
        self._keeper: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start them, one after the other, in the background."""
        if self._size and self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
            self._want()

    async def take(self) -> Session:
        """A session of one's own: one that was ready, or a new one. Raises Unavailable."""
        self._failures = 0
        ready = [session for session in self._ready if not session.ended]
        if not ready:
            session = await self._start()
        else:
            session = ready[0]
            self._ready.remove(session)
        self._want()
        return session

    async def stop(self) -> None:
        """End them, and start no more."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))
        ready, self._ready = self._ready, []
        await asyncio.gather(*(session.close() for session in ready))

    def _want(self) -> None:
        pause = min(_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._not_before = asyncio.get_running_loop().time() + pause
        self._wanted.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._wanted.wait()
            if (remaining := self._not_before - clock()) > 0:
                await asyncio.sleep(remaining)
                continue
            if len(self._ready) >= self._size:
                self._wanted.clear()
                continue
            try:
                session = await self._start()
            except Exception as error:
                _log.warning("no session could be started in advance: %s", error)
                self._failed()
            else:
                self._ready.append(session)
                _log.debug("sessions ready: %d", len(self._ready))
                session.when_gone(partial(self._on_end, session, clock()))

    def _on_end(self, session: Session, since: float) -> None:
        if session not in self._ready:
            return
        self._ready.remove(session)
        _log.warning("a session that was ready %s", session.ending)
        if asyncio.get_running_loop().time() - since > _LONGEST_PAUSE_SECONDS:
            self._failures = 0
        self._failed()

    def _failed(self) -> None:
        self._failures += 1
        self._want()
