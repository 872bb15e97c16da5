"""The snapshots of each user: made from live sessions, loaded into them, kept as blobs."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import AbstractContextManager
from pathlib import Path

from jupyter_deployr.computenode import ComputeNode, NotKept, Session
from jupyter_deployr.protocol.errors import NotFound
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.store import Blobs, SnapshotStore, StoredSnapshot, VersionStore


class SnapshotLibrary:
    """Creates, finds and deletes snapshots. A user sees their own; somebody else's counts as absent."""

    def __init__(self, store: SnapshotStore, versions: VersionStore, blobs: Blobs, node: ComputeNode) -> None:
        self._store = store
        self._versions = versions
        self._blobs = blobs
        self._node = node
        self._collecting = asyncio.Lock()

    async def create(
        self, principal: Principal, session: Session, name: str | None
    ) -> tuple[StoredSnapshot, list[NotKept]]:
        """Save a session; returns the snapshot and what it could not keep. Raises StorageFull, Gone."""
        draft = self._node.draft()
        not_kept = await session.save(draft)
        # Held off until the row is there: a blob that nothing refers to yet must not be collected.
        async with self._collecting:
            digest, size = await asyncio.to_thread(self._blobs.adopt, draft)
            snapshot = StoredSnapshot(
                id=str(uuid.uuid4()),
                name=name,
                owner=principal.name,
                created=time.time(),
                digest=digest,
                size=size,
                not_kept=[[item.name, item.type, item.reason] for item in not_kept],
            )
            await asyncio.to_thread(self._store.add, snapshot)
        return snapshot, not_kept

    async def of(self, principal: Principal) -> list[StoredSnapshot]:
        """The user's snapshots, oldest first."""
        return await asyncio.to_thread(self._store.of, principal.name)

    async def get(self, principal: Principal, identity: str) -> StoredSnapshot:
        """One of the user's snapshots. Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, identity, principal.name)
        if found is None:
            raise NotFound("There is no snapshot of that id.")
        return found

    async def delete(self, principal: Principal, identity: str) -> None:
        """Delete a snapshot; versions published from it keep their own hold on its content. Raises NotFound."""
        snapshot = await self.get(principal, identity)
        await asyncio.to_thread(self._store.remove, snapshot.id)
        await self.collect()

    def path(self, digest: str) -> Path:
        """The file of that content."""
        return self._blobs.path(digest)

    def pinned(self, digest: str | None) -> AbstractContextManager[None]:
        """Keep that content while it is on its way into the database."""
        return self._blobs.pinned(digest)

    async def collect(self) -> None:
        """Remove the content that neither a snapshot nor a version refers to."""
        async with self._collecting:
            await asyncio.to_thread(self._collect)

    def _collect(self) -> None:
        self._blobs.collect(self._store.digests() | self._versions.digests())
