"""Sign-ins as they are kept: which pair of tokens is the valid one."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from jupyter_deployr.webnode.store.access_changes import count_change
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import TokenFamilyRow


@dataclass(frozen=True)
class TokenFamily:
    """One sign-in. `access_id` and `refresh_hash` name the valid pair; times are epoch seconds."""

    id: str
    account: str
    access_id: str
    refresh_hash: str
    refresh_expires: float
    expires: float
    revoked: bool = False


class TokenFamilyStore:
    """Reads and writes token families. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, identity: str) -> TokenFamily | None:
        """The family of that id."""
        with self._database.transaction() as session:
            row = session.get(TokenFamilyRow, identity)
            if row is None:
                return None
            return TokenFamily(
                row.id, row.account, row.access_id, row.refresh_hash, row.refresh_expires, row.expires, row.revoked
            )

    def add(self, family: TokenFamily, now: float) -> None:
        """Keep a new sign-in, and forget those whose time is over."""

        def keep(session: Session) -> None:
            session.execute(delete(TokenFamilyRow).where(TokenFamilyRow.expires < now))
            session.add(TokenFamilyRow(**asdict(family)))

        self._database.writing_little(keep)

    def rotate(self, family: TokenFamily, access_id: str, refresh_hash: str, refresh_expires: float) -> bool:
        """Replace the valid pair; False when somebody else has done so since `family` was read."""

        def replace(session: Session) -> bool:
            # One statement: of two renewals at the same moment, the second finds the row changed.
            changed = session.execute(
                update(TokenFamilyRow)
                .where(
                    TokenFamilyRow.id == family.id,
                    TokenFamilyRow.refresh_hash == family.refresh_hash,
                    TokenFamilyRow.revoked.is_(False),
                )
                .values(access_id=access_id, refresh_hash=refresh_hash, refresh_expires=refresh_expires)
                .returning(TokenFamilyRow.id)
            )
            if changed.first() is None:
                return False
            count_change(session)
            return True

        return self._database.writing_little(replace)

    def revoke(self, identity: str) -> None:
        """No token of this family is valid any more."""

        def end(session: Session) -> None:
            session.execute(update(TokenFamilyRow).where(TokenFamilyRow.id == identity).values(revoked=True))
            count_change(session)

        self._database.writing_little(end)
