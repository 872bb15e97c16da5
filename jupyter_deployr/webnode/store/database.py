"""The database connection, its migrations, and the transactions of everything that is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from jupyter_deployr.protocol.errors import StorageFull, Unavailable

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 30


class DatabaseTooNew(Exception):
    """The database was written by a newer version of this package."""


class Database:
    """Opens the database at `url` and brings its tables up to date. Raises DatabaseTooNew."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._migrate(url)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def _migrate(self, url: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if found is not None and found not in known:
                raise DatabaseTooNew(
                    f"the database is at revision {found}, which this version doesn't know: a newer one wrote it"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises. Blocking: call it in a thread.

        Raises Unavailable when the database can't be reached or stays locked, StorageFull when the disk is full.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            _log.warning("the database refused: %s", error.orig)
            if "full" in str(error.orig):
                raise StorageFull("The disk is full; nothing was changed.") from None
            raise Unavailable("The database can't be reached now; try again.") from None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            # FULL: an acknowledged version survives a power cut, not only a crash of this process.
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                f"busy_timeout={_BUSY_SECONDS}000",
            ):
                connection.execute(f"PRAGMA {pragma}")

    return engine
