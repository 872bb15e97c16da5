"""How the records of batches get to a version's workers without standing in the way of direct calls."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from jupyter_deployr.computenode import ServicePool
from jupyter_deployr.protocol.errors import NotFound
from jupyter_deployr.webnode.catalog import Catalog, PublishedVersion

Record = tuple[int, bytes]
"""Position in the batch, and inputs as JSON."""
Answering = asyncio.Future[tuple[int, bytes]]
"""HTTP status and body of a record's answer, once it is there."""

_PAUSE_SECONDS = 0.05


class Taker(Protocol):
    """A batch, as a lane sees it."""

    def take(self) -> Record | None:
        """The next record to be worked on, None when there is none now."""

    def sent(self, answer: Answering) -> None:
        """The record that was taken last is out."""

    def answered(self, record: Record, answer: Answering) -> None:
        """The answer of that record has come, or never will."""

    def put_back(self, record: Record, answer: Answering) -> None:
        """There is no answer, and the record is to be taken again."""

    def fail(self, reason: str) -> None:
        """The batch can't go on."""


class Lane:
    """One version as it was when batches were started on it, and what these have out in its workers.

    Batches take turns record by record, through the pool that answers direct calls. As long as calls wait in that pool
    they have one record out together, else as many as its workers take. When the version is patched, its batches go on
    in a pool of their own, on what they were started on; when it is deleted, they fail.
    """

    def __init__(self, catalog: Catalog, published: PublishedVersion) -> None:
        self.definition = published.pool.definition
        self.users = 0
        self._catalog = catalog
        self._stored = published.stored
        self._current: ServicePool | None = None
        self._own: ServicePool | None = None
        self._takers: dict[Taker, None] = {}
        self._out = 0
        self._refused = False
        self._pausing: asyncio.TimerHandle | None = None

    def offer(self, taker: Taker) -> None:
        """`taker` may have records; it is asked for them when it is its turn."""
        self._takers[taker] = None
        self._pump()

    def withdraw(self, taker: Taker) -> None:
        """`taker` has no more records."""
        self._takers.pop(taker, None)

    async def close(self) -> None:
        """End the workers that only batches had."""
        if self._own is not None:
            await self._own.close(0)

    def _pool(self) -> ServicePool | None:
        """Where the version is answered now as it was then; None when it was deleted."""
        try:
            pool = self._catalog.get(self._stored.name, self._stored.version).pool
        except NotFound:
            return None
        if pool is self._current or pool.definition == self.definition:
            self._current = pool
            return pool
        if self._own is None:
            self._own = self._catalog.new_pool(self._stored)
        return self._own

    def _pump(self) -> None:
        while self._takers and not self._refused:
            pool = self._pool()
            if pool is not None and self._out and pool.waiting:
                # No answer may tell when they wait no more.
                self._look_again()
                return
            taker = next(iter(self._takers))
            del self._takers[taker]
            if pool is None:
                taker.fail(f"{self._stored.name} {self._stored.version} was deleted before the batch was complete.")
                continue
            record = taker.take()
            if record is not None:
                self._takers[taker] = None
                self._send(pool, taker, record)

    def _send(self, pool: ServicePool, taker: Taker, record: Record) -> None:
        answer = pool.call(record[1])
        if answer.done() and answer.exception() is not None:
            # The pool takes no more calls now.
            self._refused = True
            self._look_again()
            taker.put_back(record, answer)
            return
        self._out += 1
        taker.sent(answer)
        answer.add_done_callback(partial(self._answered, pool, taker, record))

    def _look_again(self) -> None:
        if self._pausing is None:
            self._pausing = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self._pausing = None
        self._refused = False
        self._pump()

    def _answered(self, pool: ServicePool, taker: Taker, record: Record, answer: Answering) -> None:
        self._out -= 1
        if not answer.cancelled() and answer.exception() is not None and self._pool() not in (pool, None):
            # The version was patched, and its old workers ended before this record did.
            taker.put_back(record, answer)
        else:
            taker.answered(record, answer)
        self._pump()
