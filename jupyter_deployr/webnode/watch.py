"""Once a second: what nobody announces, because announcing it would cost where time counts.

How many calls wait and workers work, for the figures; which sessions work and which versions are broken, for the
change feed.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import NoReturn

from jupyter_deployr.webnode.catalog import Catalog, PublishedVersion
from jupyter_deployr.webnode.events import Change, ChangeFeed
from jupyter_deployr.webnode.live_sessions import LiveSessions

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Watch:
    """Looks through versions and sessions."""

    def __init__(self, catalog: Catalog, sessions: LiveSessions, feed: ChangeFeed) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._feed = feed
        self._broken: dict[tuple[str, str], str] = {}
        self._busy: set[str] = set()

    async def keep_looking(self) -> NoReturn:
        """Look once a second, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self._look_at_versions()
                self._look_at_sessions()
            except Exception:
                _log.exception("versions and sessions could not be looked at")

    def _look_at_versions(self) -> None:
        now = perf_counter()
        broken = {}
        for published in self._catalog.published():
            self._look_at_calls(published, now)
            fault = self._catalog.broken(published.stored)
            key = published.stored.name, published.stored.version
            if fault is not None:
                broken[key] = fault
            if fault != self._broken.get(key):
                self._feed.service(Change.CHANGED, published.stored)
        self._broken = broken

    def _look_at_calls(self, published: PublishedVersion, now: float) -> None:
        pool, figures = published.pool, published.activity.figures
        if figures.used or pool.waiting:
            figures.saw(now, pool.waiting, pool.busy, pool.workers)

    def _look_at_sessions(self) -> None:
        busy = set()
        for live in self._sessions.all():
            working = live.session.busy
            if working:
                busy.add(live.id)
            if working != (live.id in self._busy):
                state = "busy" if working else "idle"
                self._feed.session(Change.CHANGED, live.id, live.name, live.owner, state=state)
        self._busy = busy
