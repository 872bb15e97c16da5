"""Contents that change while versions run on them.

Workers read their snapshot from the very file, page by page as they need it: when the file is damaged, they calculate
with what stands there now. So every file that a version runs on is looked at every few seconds, which costs one `stat`;
what has been written to is compared with its digest, and no worker goes on with what differs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn
from weakref import WeakKeyDictionary

from jupyter_deployr.computenode import ServicePool
from jupyter_deployr.protocol.errors import ServerFault
from jupyter_deployr.webnode.snapshot_checks import SnapshotChecks

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0


def broken(label: str, fault: str) -> ServerFault:
    """What calls of a broken version are answered."""
    return ServerFault(f"{label} is broken. {fault}")


class ContentWatch:
    """Ends the workers of every pool whose content is found to be damaged, whoever found it."""

    def __init__(self, checks: SnapshotChecks) -> None:
        self._checks = checks
        self._digests: WeakKeyDictionary[ServicePool, str] = WeakKeyDictionary()

    def add(self, pool: ServicePool, digest: str) -> None:
        """Watch what a pool runs on, as long as there is the pool."""
        self._digests[pool] = digest

    async def keep_looking(self) -> NoReturn:
        """Look at all contents now, so that a broken version is shown before somebody calls it, and then for ever."""
        loop = asyncio.get_running_loop()
        self._checks.tell(lambda digest, fault: loop.call_soon_threadsafe(self._end_workers, digest, fault))
        while True:
            try:
                await asyncio.to_thread(self._checks.look, frozenset(self._digests.values()))
            except Exception:
                _log.exception("the contents of versions could not be looked at")
            await asyncio.sleep(_LOOK_SECONDS)

    def _end_workers(self, digest: str, fault: str) -> None:
        pools = [pool for pool, content in self._digests.items() if content == digest]
        for label in dict.fromkeys(pool.definition.label for pool in pools):
            _log.error("%s is broken. %s", label, fault)
        for pool in pools:
            pool.end_workers(broken(pool.definition.label, fault))
