"""How a process learns that another one has ended sign-ins: a count that every such change raises."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import AccessChangesRow


def count_change(session: Session) -> None:
    """Count a change, in the transaction that makes it."""
    session.execute(update(AccessChangesRow).values(serial=AccessChangesRow.serial + 1))


class AccessChanges:
    """The count of changes to accounts and sign-ins. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def serial(self) -> int:
        """The count as it is now."""
        with self._database.transaction() as session:
            return session.scalars(select(AccessChangesRow.serial)).one()

    def announce(self) -> None:
        """Let every server check anew what it has verified."""
        self._database.writing_little(count_change)
