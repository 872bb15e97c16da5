"""Taking turns at a session, and for how long nobody has wanted one."""

from __future__ import annotations

import asyncio
import time


class Turns:
    """`async with turns:` waits for the request before to end. First come, first served."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._wanted = 0
        self._last_wanted = time.monotonic()

    def locked(self) -> bool:
        """Whether it is somebody's turn."""
        return self._lock.locked()

    @property
    def idle_seconds(self) -> float:
        """How long ago the last turn ended; 0 while one is taken or waited for."""
        return 0.0 if self._wanted else time.monotonic() - self._last_wanted

    def touch(self) -> None:
        """Count what needs no turn as use."""
        self._last_wanted = time.monotonic()

    async def __aenter__(self) -> None:
        self._wanted += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
        self._leave()

    def _leave(self) -> None:
        self._wanted -= 1
        self.touch()
