"""The snapshots of each user: made from live sessions, loaded into them, kept as blobs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from jupyter_deployr.computenode import ComputeNode, Selection, Session, Snapshot, SnapshotError, fail_point
from jupyter_deployr.protocol.errors import DeployRError, NotFound, ServerFault, StorageFull, says_disk_full
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.events import Change, ChangeFeed
from jupyter_deployr.webnode.snapshot_checks import SnapshotChecks
from jupyter_deployr.webnode.store import (
    BlobDamaged,
    Blobs,
    SnapshotStore,
    StoredSnapshot,
    VersionStore,
)

_log = logging.getLogger(__name__)


class SnapshotLibrary:
    """Creates, finds and deletes snapshots. A user sees their own; somebody else's counts as absent.

    `checks` is what is known of the contents.
    """

    def __init__(
        self, store: SnapshotStore, versions: VersionStore, blobs: Blobs, node: ComputeNode, feed: ChangeFeed
    ) -> None:
        self._store = store
        self._versions = versions
        self._blobs = blobs
        self._node = node
        self._feed = feed
        self._collecting = threading.Lock()
        self.checks = SnapshotChecks(blobs, node)

    async def create(
        self,
        principal: Principal,
        session: Session,
        name: str | None,
        selection: Selection,
        progress: Callable[[str, int], None],
    ) -> StoredSnapshot:
        """Save a session, or what is selected of it; `progress` is told the object at hand and the bytes written.

        Raises BadRequest, Conflict, StorageFull, Gone.
        """
        draft = self._node.draft()
        try:
            await session.save(draft, selection, progress)
            fail_point("snapshot.saved")
            snapshot = await asyncio.to_thread(self._keep, draft, principal, name)
        except BaseException as error:
            # A process that was killed while it wrote has left the half of it.
            draft.unlink(missing_ok=True)
            if says_disk_full(error):
                raise StorageFull("The disk is full: the snapshot was not saved.") from None
            raise
        self._feed.snapshot(Change.CREATED, snapshot)
        return snapshot

    def _keep(self, draft: Path, principal: Principal, name: str | None) -> StoredSnapshot:
        """Move the draft in, and write the row that makes it a snapshot; neither when one of the two fails."""
        try:
            saved = Snapshot(draft)
        except SnapshotError:
            raise ServerFault("The snapshot was not saved: what the session handed over is none.") from None
        try:
            with self._blobs.adopted(draft, self.checks.check_stored) as (digest, size):
                snapshot = StoredSnapshot(
                    id=str(uuid.uuid4()),
                    name=name,
                    owner=principal.name,
                    created=time.time(),
                    digest=digest,
                    size=size,
                    not_kept=[[item.name, item.type, item.reason] for item in saved.not_kept],
                    manifest=saved.manifest,
                    largest=[list(entry) for entry in saved.largest()],
                )
                self._store.add(snapshot)
        except BaseException:
            self._collect()
            raise
        fail_point("snapshot.committed")
        # What was damaged under this digest is whole again.
        self.checks.check(digest)
        return snapshot

    async def of(self, principal: Principal) -> list[StoredSnapshot]:
        """The user's snapshots, oldest first."""
        return await asyncio.to_thread(self._store.of, principal.name)

    async def get(self, principal: Principal, identity: str) -> StoredSnapshot:
        """One of the user's snapshots. Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, identity, principal.name)
        if found is None:
            raise NotFound("There is no snapshot of that id.")
        return found

    @asynccontextmanager
    async def held(self, principal: Principal, identity: str) -> AsyncIterator[StoredSnapshot]:
        """One of the user's snapshots, its content whole and kept during the block. Raises NotFound, ServerFault."""
        found = await self.get(principal, identity)
        with self.pinned(found.digest):
            # It may have been deleted, and its content collected, before the pin was there.
            await self.get(principal, identity)
            try:
                await asyncio.to_thread(self._blobs.verify, found.digest)
            except BlobDamaged as fault:
                # What was published from it is broken as well.
                await asyncio.to_thread(self.checks.check, found.digest)
                label = repr(found.name or found.id)
                raise ServerFault(f"The content of the snapshot {label} {fault}: delete it and save it anew.") from None
            yield found

    async def delete(self, principal: Principal, identity: str) -> None:
        """Delete a snapshot; versions published from it keep their own hold on its content. Raises NotFound."""
        snapshot = await self.get(principal, identity)
        await asyncio.to_thread(self._store.remove, snapshot.id)
        fail_point("snapshot_delete.committed")
        self._feed.snapshot(Change.REMOVED, snapshot)
        await self.collect()

    def path(self, digest: str) -> Path:
        """The file of that content."""
        return self._blobs.path(digest)

    def pinned(self, digest: str | None) -> AbstractContextManager[None]:
        """Keep that content while it is on its way into the database, or something still runs on it."""
        return self._blobs.pinned(digest)

    async def collect(self) -> None:
        """Remove the content that neither a snapshot nor a version refers to."""
        await asyncio.to_thread(self._collect)

    def _collect(self) -> None:
        """What can't be removed now is for the next collection: nobody who deletes something should hear of it."""
        try:
            with self._collecting:
                self._blobs.collect(lambda: self._store.digests() | self._versions.digests())
        except (OSError, DeployRError):
            _log.exception("contents that nothing refers to could not be removed")
