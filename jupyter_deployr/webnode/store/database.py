"""The database connection, its migrations, and the transactions of everything that is kept."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
    """Opens the database at `url` and brings its tables up to date, after a backup if they are older.

    Raises DatabaseTooNew.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._migrate()
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            scripts = ScriptDirectory.from_config(config)
            known = {script.revision for script in scripts.walk_revisions()}
            if found is not None and found not in known:
                raise DatabaseTooNew(
                    f"the database is at revision {found}, which this version doesn't know: a newer one wrote it"
                )
            if found is not None and found != scripts.get_current_head():
                self._back_up(found)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _back_up(self, revision: str) -> None:
        """Copy an SQLite database aside before it is migrated; other databases are their operators' to back up."""
        path = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and path:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.{revision}")) as copy:
                source.backup(copy)
            _log.warning("the database was at revision %s; it is kept as it was in %s.%s", revision, path, revision)

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
