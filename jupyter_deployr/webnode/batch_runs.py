"""One batch execution at work: inputs from the database to the workers, results from the workers to the database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from jupyter_deployr.computenode import LoadFailed
from jupyter_deployr.protocol.errors import DeployRError, ServerFault, TimedOut, WorkerLost
from jupyter_deployr.webnode.batch_lanes import Answering, Lane, Record
from jupyter_deployr.webnode.batch_records import Answer, record_result
from jupyter_deployr.webnode.store import BatchStore, StoredBatch

_log = logging.getLogger(__name__)

# Results are kept in groups: a commit for all that come within this time, or for so many.
_GROUP_SECONDS = 0.05
_GROUP = 500
# Inputs are read ahead when fewer than so many are left, and no more than so many bytes.
_LOW = 1000
_LOW_BYTES = 1024 * 1024
# More results than this don't wait for the database: the batch waits with them.
_MOST_UNSAVED = 4000
_MOST_UNSAVED_BYTES = 16 * 1024 * 1024
_DATABASE_RETRY_SECONDS = 1.0
# How long workers may fail to start before the batch does; the second, where the version itself is the reason.
_TROUBLE_SECONDS = 30.0
_BROKEN_SECONDS = 3.0
_TROUBLE_PAUSE_SECONDS = 1.0
_LONGEST_REASON = 1000


class BatchRun:
    """Runs the records of one batch execution that have no result yet, at most `parallel_count` at a time.

    A record whose call fails has a result that says so. The batch fails when its version can't be run at all. While
    the database can't be written to, the batch waits.
    """

    def __init__(self, batch: StoredBatch, lane: Lane, store: BatchStore, writing: asyncio.Lock) -> None:
        """`writing` is held while something is written: batches don't queue up for the database in many threads."""
        self._batch = batch
        self._lane = lane
        self._store = store
        self._writing = writing
        self._inputs: deque[Record] = deque()
        self._input_bytes = 0
        self._read_to = -1
        self._all_read = False
        self._out: set[Answering] = set()
        self._unsaved: list[tuple[int, Answer | DeployRError]] = []
        self._unsaved_bytes = 0
        self._taking = True
        self._dropped = False
        self._paused = False
        self._trouble_since: float | None = None
        self._reason = ""
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until the execution has ended, or has been stopped."""
        await self._keep(lambda: self._store.begin(self._batch))
        while not self._settled:
            if self._taking and self._low:
                await self._read()
            if self._unsaved:
                await self._save()
            if not self._settled:
                if self._taking:
                    self._lane.offer(self)
                await self._collect()
        self._lane.withdraw(self)
        if not self._stopping.is_set():
            state = "Failed" if self._reason else "Complete"
            await self._keep(lambda: self._store.end(self._batch, state, self._reason, time.time()))

    @property
    def _settled(self) -> bool:
        """Nothing is out, nothing is to be saved, and nothing will be taken any more."""
        if self._dropped:
            return True
        more = self._taking and bool(self._inputs or not self._all_read)
        return not (more or self._out or self._unsaved)

    @property
    def _low(self) -> bool:
        """It is time to read more inputs."""
        return not self._all_read and len(self._inputs) < _LOW and self._input_bytes < _LOW_BYTES

    # ------------------------------------------------------------------------------------------------- stopping

    def stop(self) -> None:
        """Take no more records; `run` returns when those that are out have been answered and saved."""
        self._taking = False
        self._stopping.set()
        self._lane.withdraw(self)
        self._wake()

    def abandon(self) -> None:
        """Stop, and don't wait for the records that are out: they will be run again."""
        self.stop()
        for answer in list(self._out):
            answer.cancel()

    def drop(self) -> None:
        """Stop, and keep nothing of what isn't saved yet."""
        self._dropped = True
        self.abandon()

    def fail(self, reason: str) -> None:
        """Take no more records; the execution ends as failed when those that are out have been answered and saved."""
        self._taking = False
        self._reason = reason[:_LONGEST_REASON]
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._urgent.set()

    # ---------------------------------------------------------------------------------------- records to workers

    def take(self) -> Record | None:
        if not self._taking or self._paused or not self._inputs or len(self._out) >= self._batch.parallel_count:
            return None
        if len(self._unsaved) >= _MOST_UNSAVED or self._unsaved_bytes >= _MOST_UNSAVED_BYTES:
            return None
        record = self._inputs.popleft()
        self._input_bytes -= len(record[1])
        return record

    def sent(self, answer: Answering) -> None:
        self._out.add(answer)

    def answered(self, record: Record, answer: Answering) -> None:
        self._out.discard(answer)
        if not answer.cancelled():
            error = answer.exception()
            if error is None:
                self._note(record, answer.result())
                self._unsaved_bytes += len(answer.result()[1])
            elif isinstance(error, (WorkerLost, TimedOut)):
                self._note(record, error)
            else:
                self._take_back(record)
                self._pause(error)
        self._go_on()

    def put_back(self, record: Record, answer: Answering) -> None:
        self._out.discard(answer)
        self._take_back(record)
        self._go_on()

    def _take_back(self, record: Record) -> None:
        self._inputs.appendleft(record)
        self._input_bytes += len(record[1])

    def _note(self, record: Record, outcome: Answer | DeployRError) -> None:
        self._trouble_since = None
        self._unsaved.append((record[0], outcome))

    def _go_on(self) -> None:
        if self._taking and not self._paused:
            self._lane.offer(self)
        self._news.set()
        if len(self._unsaved) >= _GROUP or not self._out or self._low:
            self._urgent.set()

    def _pause(self, error: BaseException) -> None:
        """No worker can be had: wait for one, but not for ever."""
        now = asyncio.get_running_loop().time()
        if self._trouble_since is None:
            self._trouble_since = now
            _log.warning("batch %s waits: %s", self._batch.id, error)
        patience = _BROKEN_SECONDS if isinstance(error, (LoadFailed, ServerFault)) else _TROUBLE_SECONDS
        if now - self._trouble_since >= patience:
            self.fail(_reason(error))
        elif not self._paused:
            self._paused = True
            asyncio.get_running_loop().call_later(_TROUBLE_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._go_on()

    # ------------------------------------------------------------------------------------------------- database

    async def _collect(self) -> None:
        """Wait until something has happened, and a little longer for more of it."""
        await self._news.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GROUP_SECONDS):
                await self._urgent.wait()
        self._news.clear()
        self._urgent.clear()

    async def _read(self) -> None:
        read: list[Record] = []

        def next_slice() -> None:
            read[:] = self._store.waiting(self._batch, self._read_to)

        if await self._keep(next_slice, writes=False):
            self._inputs.extend(read)
            self._input_bytes += sum(len(inputs) for _, inputs in read)
            self._all_read = not read
            self._read_to = read[-1][0] if read else self._read_to

    async def _save(self) -> None:
        group, self._unsaved, self._unsaved_bytes = self._unsaved, [], 0
        output_files = self._lane.definition.output_files

        def save() -> None:
            results = [record_result(position, outcome, output_files) for position, outcome in group]
            self._store.add_results(self._batch, results)

        # When it is stopped while the database can't be written to, these records will be run again.
        await self._keep(save)

    async def _keep(self, action: Callable[[], None], *, writes: bool = True) -> bool:
        """Do something with the database in a thread, again and again while it can't; False when stopped meanwhile."""
        waits = False
        while True:
            try:
                if writes:
                    async with self._writing:
                        await asyncio.to_thread(action)
                else:
                    await asyncio.to_thread(action)
            except (DeployRError, OSError) as error:
                if not waits:
                    _log.warning("batch %s waits for the database: %s", self._batch.id, error)
                waits = True
            else:
                return True
            if self._stopping.is_set():
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATABASE_RETRY_SECONDS):
                    await self._stopping.wait()


def _reason(error: BaseException) -> str:
    why = " ".join(str(error).split())
    return f"The version can't be started: {why}" if isinstance(error, LoadFailed) else why
