"""Local accounts as they are kept."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import AccountRow


@dataclass(frozen=True)
class Account:
    """A local account. `generated` is true while no person has chosen the password."""

    name: str
    password_hash: str
    role: str
    generated: bool


class AccountStore:
    """Reads and writes accounts. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> Account | None:
        """The account of that name."""
        with self._database.transaction() as session:
            row = session.get(AccountRow, name)
            return None if row is None else Account(row.name, row.password_hash, row.role, row.generated)

    def put(self, account: Account) -> None:
        """Create the account, or replace what is kept of it."""
        with self._database.transaction() as session:
            session.merge(
                AccountRow(
                    name=account.name,
                    password_hash=account.password_hash,
                    role=account.role,
                    generated=account.generated,
                )
            )
