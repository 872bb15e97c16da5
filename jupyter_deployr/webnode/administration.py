"""What the operator does beside a server that may be running: its accounts and its signing keys.

A running server sees what was changed within a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_deployr.webnode.auth import LocalAccounts
from jupyter_deployr.webnode.serve import CannotStart, open_database, signing_keys
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.store import AccessChanges, AccountStore, Database


@contextmanager
def accounts_of(settings: Settings) -> Iterator[LocalAccounts]:
    """The accounts of the server with these settings, which need not have run yet. Raises CannotStart."""
    with _database_of(settings) as database:
        yield LocalAccounts(AccountStore(database), settings.data_dir)


def rotate_signing_key(settings: Settings, *, at_once: bool) -> str:
    """Let a new key sign access tokens; returns its id.

    With `at_once` no token that an older key has signed is valid any more; refresh tokens are. Raises CannotStart.
    """
    if not at_once:
        _prepare(settings)
        return signing_keys(settings).rotate().id
    with _database_of(settings) as database:
        keys = signing_keys(settings)
        identity = keys.rotate().id
        keys.remove_others()
        AccessChanges(database).announce()
    return identity


@contextmanager
def _database_of(settings: Settings) -> Iterator[Database]:
    _prepare(settings)
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def _prepare(settings: Settings) -> None:
    """As the server does it: nothing that is kept is for others."""
    os.umask(0o077)
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"the data directory {settings.data_dir} can't be used: {error.strerror or error}") from None
