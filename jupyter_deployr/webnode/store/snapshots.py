"""Snapshots as they are kept: who made them, and which blob holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jupyter_deployr.computenode import fail_point
from jupyter_deployr.protocol.characters import whole_texts
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import SnapshotRow


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot. `created` is epoch seconds, `size` bytes, `digest` names its blob.

    `manifest` says what it came from (Python, platform, distributions), `largest` lists [name, bytes] of its largest
    objects, `not_kept` [name, type, reason] of what it lacks.
    """

    id: str
    name: str | None
    owner: str
    created: float
    digest: str
    size: int
    not_kept: list[Any] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    largest: list[Any] = field(default_factory=list)


class SnapshotStore:
    """Reads and writes snapshots. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot whose blob is in place."""
        with self._database.transaction() as session:
            session.add(SnapshotRow(**asdict(snapshot)))
            session.flush()
            fail_point("snapshot.before_commit")

    def of(self, owner: str) -> list[StoredSnapshot]:
        """The owner's snapshots, oldest first."""
        with self._database.transaction() as session:
            rows = session.scalars(select(SnapshotRow).where(SnapshotRow.owner == owner).order_by(SnapshotRow.created))
            return [_stored(row) for row in rows]

    def find(self, identity: str, owner: str) -> StoredSnapshot | None:
        """The owner's snapshot of that id; somebody else's counts as absent."""
        with self._database.transaction() as session:
            row = session.get(SnapshotRow, identity)
            return _stored(row) if row is not None and row.owner == owner else None

    def remove(self, identity: str) -> None:
        """Forget a snapshot; its blob stays as long as a version needs it."""

        def forget(session: Session) -> None:
            session.execute(delete(SnapshotRow).where(SnapshotRow.id == identity))
            fail_point("snapshot_delete.before_commit")

        self._database.freeing(forget)

    def digests(self) -> set[str]:
        """The blobs that snapshots refer to."""
        with self._database.transaction() as session:
            return set(session.scalars(select(SnapshotRow.digest)))


def _stored(row: SnapshotRow) -> StoredSnapshot:
    # Rows of earlier versions may hold names that are no text.
    return StoredSnapshot(**{column.name: whole_texts(getattr(row, column.name)) for column in fields(StoredSnapshot)})
