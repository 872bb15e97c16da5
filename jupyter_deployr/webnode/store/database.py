"""The database connection, its migrations, and the transactions of everything that is kept."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.orm import Session, sessionmaker

from jupyter_deployr.computenode import fail_point
from jupyter_deployr.protocol.errors import ServerFault, StorageFull, Unavailable
from jupyter_deployr.webnode.store.database_url import read_url
from jupyter_deployr.webnode.store.refusals import meaning
from jupyter_deployr.webnode.store.reserve import Reserve

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 30
_GONE = "The database file is gone: the server's operator must put it back, or restore a backup and start the server."

T = TypeVar("T")


class DatabaseTooNew(Exception):
    """The database was written by a newer version of this package."""


class DriverMissing(Exception):
    """The package that talks to PostgreSQL can't be imported."""


class Database:
    """Opens the database at `url` and brings its tables up to date, after a backup if they are older.

    `busy_seconds` is how long it waits for a lock that another process holds. Raises UnusableURL, DriverMissing,
    DatabaseTooNew, PermissionError, and what SQLAlchemy raises when it can't be reached.
    """

    def __init__(self, url: str, busy_seconds: int = _BUSY_SECONDS) -> None:
        self._engine = _engine(read_url(url), busy_seconds)
        self._file = _file(self._engine)
        if self._file is not None and self._file.exists() and not os.access(self._file, os.W_OK):
            raise PermissionError(f"{self._file} can't be written")
        self._migrate()
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self._identity = None if self._file is None else _identity(self._file)
        self._reserve = None if self._file is None else Reserve(self._file.with_name(f"{self._file.name}.reserve"))

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.begin() as connection, _migrating(connection):
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
            fail_point("migrate.before_commit")

    def _back_up(self, revision: str) -> None:
        """Copy an SQLite database aside before it is migrated; other databases are their operators' to back up."""
        path = self._file
        if path is not None:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.{revision}")) as copy:
                source.backup(copy)
            _log.warning("the database was at revision %s; it is kept as it was in %s.%s", revision, path, revision)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises. Blocking: call it in a thread.

        Raises Unavailable when the database can't be reached or stays locked, StorageFull when the disk is full,
        ServerFault when its file is gone, damaged or can't be written.
        """
        if self._file is not None and _identity(self._file) != self._identity:
            raise ServerFault(_GONE)
        try:
            with self._sessions.begin() as session:
                yield session
        except exc.DBAPIError as error:
            refusal = meaning(error, self._file)
            if refusal is None:
                raise
            # The lines behind the first may quote what was to be written.
            _log.warning("the database refused: %s", str(error.orig).partition("\n")[0])
            raise refusal from None
        except exc.TimeoutError:
            raise Unavailable("All connections to the database are busy; try again.") from None

    def freeing(self, work: Callable[[Session], T]) -> T:
        """Do `work`, which deletes something, in a transaction; on a full disk, with all the space kept back for that.

        Raises as `transaction`.
        """
        return self._with_space(work, Reserve.give_up)

    def writing_little(self, work: Callable[[Session], T]) -> T:
        """Do `work`, which writes a few small rows that somebody needs to go on, in a transaction; on a full disk, with
        some of the space kept back. Raises as `transaction`.
        """
        return self._with_space(work, Reserve.give_up_some)

    def _with_space(self, work: Callable[[Session], T], give_up: Callable[[Reserve], bool]) -> T:
        if self._reserve is None:
            return self._done(work)
        self._reserve.fill()
        begun_anew = False
        while True:
            try:
                return self._done(work)
            except StorageFull:
                if begun_anew and not give_up(self._reserve):
                    raise
            self._begin_log_anew()
            begun_anew = True

    def _done(self, work: Callable[[Session], T]) -> T:
        with self.transaction() as session:
            return work(session)

    def _begin_log_anew(self) -> None:
        """Let SQLite's log be written from its beginning again, in the space that it has."""
        # Where there is no room for that either, the next piece of the reserve is for it.
        with suppress(exc.DBAPIError, exc.TimeoutError), self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _engine(url: URL, busy_seconds: int) -> Engine:
    if url.get_backend_name() == "postgresql":
        try:
            from jupyter_deployr.webnode.store.postgresql import postgresql_engine
        except ImportError:
            raise DriverMissing(
                "PostgreSQL needs a driver: install it with pip install 'jupyter_deployr[postgresql]'"
            ) from None
        return postgresql_engine(url, busy_seconds)
    # Parameters are not for logs: hashes of passwords and the inputs of batches are among them.
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # FULL: an acknowledged version survives a power cut, not only a crash of this process.
        for pragma in (
            f"busy_timeout={busy_seconds}000",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _migrating(connection: Connection) -> AbstractContextManager[None]:
    """What keeps a migration whole, and others out of it."""
    if connection.dialect.name == "sqlite":
        # Otherwise each statement that changes a table would be a transaction of its own.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return nullcontext()
    from jupyter_deployr.webnode.store.postgresql import migrating

    return migrating(connection)


def _file(engine: Engine) -> Path | None:
    """Where an SQLite database lies; None for others."""
    path = engine.url.database or ":memory:"
    return Path(path) if engine.dialect.name == "sqlite" and path != ":memory:" else None


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells this file from another of its name; None when there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
