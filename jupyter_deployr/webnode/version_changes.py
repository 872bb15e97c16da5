"""Changes of versions: one at a time, and none while it isn't known how the last one ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from jupyter_deployr.protocol.errors import Conflict, Unavailable

Key = tuple[str, str]

_SETTLE_SECONDS = 5.0


class VersionChanges:
    """Lets one change of a version go on at a time.

    A change that ends with Unavailable may have been committed all the same, and only the word of it been lost:
    `settle` starts to find out, for the name and version that it is given, and the next change waits for that.
    """

    def __init__(self, settle: Callable[[Key], asyncio.Task[None]]) -> None:
        self._settle = settle
        self._changing: set[Key] = set()
        self._settling: dict[Key, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def one(self, key: Key) -> AsyncIterator[None]:
        """The block changes this version. Raises Conflict, Unavailable."""
        await self._settled(key)
        if key in self._changing:
            raise Conflict(f"{key[0]} {key[1]} is being changed by another request; try again.")
        self._changing.add(key)
        try:
            yield
        except Unavailable:
            self._settling[key] = self._settle(key)
            raise
        finally:
            self._changing.discard(key)

    async def _settled(self, key: Key) -> None:
        """Wait, but not for ever, until it is known how the last change ended. Raises Unavailable."""
        settling = self._settling.get(key)
        if settling is None:
            return
        done, _ = await asyncio.wait((settling,), timeout=_SETTLE_SECONDS)
        if not done or settling.cancelled() or settling.exception() is not None:
            raise Unavailable(
                f"The database can't be asked yet how the last change of {' '.join(key)} ended; try again."
            )
        if self._settling.get(key) is settling:
            del self._settling[key]
