"""Local accounts as they are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jupyter_deployr.protocol.errors import Conflict
from jupyter_deployr.webnode.store.access_changes import count_change
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import AccountRow, TokenFamilyRow


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
            return None if row is None else _account(row)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with self._database.transaction() as session:
            return [_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name))]

    def add(self, account: Account) -> None:
        """Keep a new account. Raises Conflict when the name is taken."""
        try:
            self._database.writing_little(lambda session: session.add(AccountRow(**asdict(account))))
        except IntegrityError:
            raise Conflict(f"There is an account {account.name!r} already.") from None

    def put(self, account: Account) -> None:
        """Create the account, or replace what is kept of it and end its sign-ins."""

        def put(session: Session) -> None:
            session.merge(AccountRow(**asdict(account)))
            _end_sign_ins(session, account.name)

        self._database.writing_little(put)

    def remove(self, name: str) -> bool:
        """Forget the account and end its sign-ins; False when there is none."""

        def forget(session: Session) -> bool:
            removed = session.execute(delete(AccountRow).where(AccountRow.name == name).returning(AccountRow.name))
            found = removed.first() is not None
            _end_sign_ins(session, name)
            return found

        return self._database.freeing(forget)


def _account(row: AccountRow) -> Account:
    return Account(row.name, row.password_hash, row.role, row.generated)


def _end_sign_ins(session: Session, name: str) -> None:
    session.execute(update(TokenFamilyRow).where(TokenFamilyRow.account == name).values(revoked=True))
    count_change(session)
