"""Accounts of a server beside its administrator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_deployr.webnode.auth import LocalAccounts
from jupyter_deployr.webnode.store import AccountStore, Database
from tests.api import Api
from tests.server_process import ServerProcess


@contextmanager
def accounts_of(server: ServerProcess) -> Iterator[LocalAccounts]:
    """The accounts of a server, as a process beside it sees them."""
    database = Database(f"sqlite:///{server.data_dir / 'deployr.sqlite3'}")
    yield LocalAccounts(AccountStore(database), server.data_dir)
    database.close()


def signed_in(server: ServerProcess, name: str, role: str) -> Api:
    """Requests of an account that is made for it, with the administrator's password."""
    with accounts_of(server) as accounts:
        accounts.add(name, role, server.password)
    return Api(server, name)
