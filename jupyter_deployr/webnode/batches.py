"""Batch executions: started, told of, cancelled; taken up after a restart, and forgotten when their time is over."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress

import orjson

from jupyter_deployr.protocol.errors import DeployRError, NotFound, ServerFault, Unavailable
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.batch_lanes import Lane
from jupyter_deployr.webnode.batch_records import not_run, split_records
from jupyter_deployr.webnode.batch_runs import BatchRun
from jupyter_deployr.webnode.catalog import Catalog, PublishedVersion
from jupyter_deployr.webnode.snapshots import SnapshotLibrary
from jupyter_deployr.webnode.store import BatchStore, StoredBatch

_log = logging.getLogger(__name__)

_TEND_SECONDS = 3600
_TEND_AGAIN_SECONDS = 60


class Batches:
    """The batch executions of this server. A user sees their own; somebody else's counts as absent.

    Everything is in the database: inputs when an execution is acknowledged, results as they come. A record that was
    being worked on when the server died is run again by the next one.
    """

    def __init__(
        self,
        store: BatchStore,
        catalog: Catalog,
        snapshots: SnapshotLibrary,
        *,
        max_records: int,
        retention_seconds: float,
        drain_seconds: float,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._snapshots = snapshots
        self._max_records = max_records
        self._retention_seconds = retention_seconds
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None
        self._writing = asyncio.Lock()
        self._lanes: dict[str, Lane] = {}
        self._runs: dict[str, BatchRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._deleting: set[str] = set()
        self._tending: asyncio.Task[None] | None = None
        self._doubt = asyncio.Event()

    # ------------------------------------------------------------------------------------------ server's life

    def resume(self) -> None:
        """Begin to go on with what an earlier run of the server left unfinished, and to forget what is old."""
        self._tending = asyncio.create_task(self._tend())

    def wind_down(self) -> None:
        """Begin no more records: the server is about to end."""
        if self._drained_at is None:
            self._drained_at = asyncio.get_running_loop().time() + self._drain_seconds
            for run in self._runs.values():
                run.stop()

    async def close(self) -> None:
        """Stop all executions at a record's border; the next start of the server goes on with them."""
        self.wind_down()
        if self._tending is not None:
            self._tending.cancel()
        if self._tasks:
            assert self._drained_at is not None
            left = max(0.0, self._drained_at - asyncio.get_running_loop().time())
            await asyncio.wait(self._tasks.values(), timeout=left)
        for run in self._runs.values():
            run.abandon()
        await asyncio.gather(*self._tasks.values())

    async def _tend(self) -> None:
        """Take up what is unfinished and forget what is old, now and then for ever."""
        while True:
            pause = min(_TEND_SECONDS, self._retention_seconds)
            try:
                await self._take_up()
                for batch in await asyncio.to_thread(self._store.ended_before, time.time() - self._retention_seconds):
                    async with self._writing:
                        await asyncio.to_thread(self._store.remove, batch)
            except (DeployRError, OSError) as error:
                _log.warning("batches could not be looked after: %s", error)
                pause = min(_TEND_AGAIN_SECONDS, pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._doubt.wait()
            self._doubt.clear()

    async def _take_up(self) -> None:
        """Go on with executions that nothing runs if their versions are what they were; the others have failed."""
        async with self._writing:
            for batch in await asyncio.to_thread(self._store.unfinished):
                if batch.id in self._tasks or batch.id in self._deleting or self._drained_at is not None:
                    continue
                try:
                    published = self._catalog.get(batch.name, batch.version)
                except NotFound:
                    reason = f"{batch.name} {batch.version} was deleted before the batch was complete."
                else:
                    if _fingerprint(published) == batch.fingerprint:
                        self._launch(batch, published, self._pinned(published))
                        continue
                    reason = f"{batch.name} {batch.version} was changed before a restart of the server."
                _log.warning("batch %s failed: %s", batch.id, reason)
                await asyncio.to_thread(self._store.end, batch, "Failed", reason, time.time())

    # ------------------------------------------------------------------------------------------------- running

    def _pinned(self, published: PublishedVersion) -> ExitStack:
        """The version's snapshot, kept from being collected until the stack is closed."""
        pins = ExitStack()
        pins.enter_context(self._snapshots.pinned(published.stored.digest))
        return pins

    def _launch(self, batch: StoredBatch, published: PublishedVersion, pins: ExitStack) -> None:
        lane = self._lanes.get(batch.fingerprint)
        if lane is None:
            lane = self._lanes[batch.fingerprint] = Lane(self._catalog, published)
        lane.users += 1
        run = self._runs[batch.id] = BatchRun(batch, lane, self._store, self._writing)
        if self._drained_at is not None:
            run.stop()
        self._tasks[batch.id] = asyncio.create_task(self._carry(batch, run, lane, pins, published.stored.digest))

    async def _carry(self, batch: StoredBatch, run: BatchRun, lane: Lane, pins: ExitStack, digest: str | None) -> None:
        """Let a run do its work, and clean up behind it."""
        try:
            await run.run()
        except Exception:
            _log.exception("batch %s failed", batch.id)
            run.drop()
            reason = "The server failed; its log has more under the id of the batch."
            with suppress(DeployRError, OSError):
                async with self._writing:
                    await asyncio.to_thread(self._store.end, batch, "Failed", reason, time.time())
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[batch.fingerprint]
                await lane.close()
            pins.close()
            del self._runs[batch.id], self._tasks[batch.id]
        if digest is not None and not any(stored.digest == digest for stored in self._catalog.of(batch.name)):
            # The batch was the last that needed it.
            await self._snapshots.collect()

    # ---------------------------------------------------------------------------------------------- operations

    async def start(self, principal: Principal, name: str, version: str, parallel_count: int, body: bytes) -> str:
        """Start an execution on a JSON array of records; returns its id. It is kept for good when this returns.

        Raises NotFound, ServerFault (the version is broken), BadRequest, PayloadTooLarge, StorageFull; nothing is kept
        then. Raises Unavailable; what was kept then is run all the same.
        """
        published = self._catalog.get(name, version)
        fault = self._catalog.broken(published.stored)
        if fault is not None:
            raise ServerFault(f"{name} {version} is broken. {fault}")
        with self._pinned(published) as pins:
            records = await asyncio.to_thread(split_records, body, self._max_records)
            async with self._writing:
                try:
                    batch = await asyncio.to_thread(
                        self._store.add,
                        identity=str(uuid.uuid4()),
                        name=name,
                        version=version,
                        owner=principal.name,
                        created=time.time(),
                        parallel_count=parallel_count,
                        fingerprint=_fingerprint(published),
                        records=records,
                    )
                except Unavailable:
                    # It may have been kept all the same, and only the word of it been lost.
                    self._doubt.set()
                    raise
                self._launch(batch, published, pins.pop_all())
        return batch.id

    async def of(self, principal: Principal, name: str, version: str) -> list[str]:
        """The ids of the user's executions of a version, oldest first.

        Raises NotFound for an unknown version; of a deleted one the user's executions can still be seen.
        """
        found = await asyncio.to_thread(self._store.of, principal.name, name, version)
        if not found:
            self._catalog.get(name, version)
        return found

    async def get(self, principal: Principal, name: str, version: str, identity: str) -> StoredBatch:
        """One of the user's executions of a version. Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, _as_id(identity))
        if found is None or (found.owner, found.name, found.version) != (principal.name, name, version):
            raise _no_execution()
        return found

    async def status(self, batch: StoredBatch, *, partial: bool) -> AsyncIterator[bytes]:
        """The BatchWebServiceResult of an execution, in parts; the results stand at their records' positions.

        With `partial`, an execution that goes on shows its results up to the first record that has none yet, and one
        that failed a failure for each record that wasn't run: clients take every entry for a result.
        """
        head = orjson.dumps(
            {
                "state": batch.state,
                "completedItemCount": batch.completed,
                "totalItemCount": batch.total,
                "errorMessage": batch.reason,
            }
        )
        yield head[:-1] + b',"batchExecutionResults":['
        shown = partial or batch.state == "Complete"
        ended = batch.state in ("Complete", "Failed")
        missing = not_run(batch.reason)
        position, found, between = 0, 0, b""
        while shown and position < batch.total:
            results = await asyncio.to_thread(self._store.results, batch, position)
            parts: list[bytes] = []
            for place, result in results:
                if place > position and not ended:
                    shown = False
                    break
                parts += [missing] * (place - position)
                parts.append(result)
                position = place + 1
            found += len(results)
            if not results:
                if ended and found < batch.completed:
                    raise _no_execution()  # deleted meanwhile: the answer must not look whole
                shown = False
                parts = [missing] * (batch.total - position) if ended else []
            if parts:
                yield between + b",".join(parts)
                between = b","
        yield b"]}"

    async def delete(self, batch: StoredBatch) -> None:
        """Cancel an execution if it runs, and forget all of it. Raises NotFound when it is gone, StorageFull."""
        self._deleting.add(batch.id)
        try:
            task = self._tasks.get(batch.id)
            if task is not None:
                self._runs[batch.id].drop()
                await asyncio.wait([task])
            async with self._writing:
                removed = await asyncio.to_thread(self._store.remove, batch)
        except BaseException:
            self._deleting.discard(batch.id)
            # It is as it was, also in that it runs.
            with suppress(DeployRError, OSError):
                await self._take_up()
            raise
        self._deleting.discard(batch.id)
        if not removed:
            raise _no_execution()

    async def files(self, batch: StoredBatch, index: int) -> list[str]:
        """The names of the files that one record has written. Raises NotFound when there is no such record."""
        if not 0 <= index < batch.total:
            raise NotFound(f"The batch execution has no record {index}: it has {batch.total}, counted from 0.")
        return await asyncio.to_thread(self._store.files, batch, index)

    async def file(self, batch: StoredBatch, index: int, name: str) -> AsyncIterator[bytes]:
        """The content of a file that one record has written, in parts. Raises NotFound."""
        if name not in await self.files(batch, index):
            raise NotFound(f"Record {index} has written no file of that name.")
        return self._parts(batch, index, name)

    async def _parts(self, batch: StoredBatch, index: int, name: str) -> AsyncIterator[bytes]:
        part = 0
        while (content := await asyncio.to_thread(self._store.file_part, batch, index, name, part)) is not None:
            yield content
            part += 1


def _fingerprint(published: PublishedVersion) -> str:
    """What two states of a version share that answer calls in the same way."""
    definition = {**published.pool.definition.to_json(), "snapshot": published.stored.digest}
    return hashlib.sha256(json.dumps(definition).encode()).hexdigest()


def _as_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise _no_execution() from None


def _no_execution() -> NotFound:
    return NotFound("There is no batch execution of that id.")
