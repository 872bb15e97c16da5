"""Connections to PostgreSQL that wait for nothing for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Connection, Engine, create_engine, event

_CONNECT_SECONDS = 10
# A statement may take this much longer than the wait for a lock; an answer may come this much later than that.
_WORK_SECONDS = 5
_ANSWER_SECONDS = 5
_MIGRATIONS = int.from_bytes(b"deployr", "big")

T = TypeVar("T")


class UnsuitableDatabase(Exception):
    """The PostgreSQL database can't be used as it was made."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server hasn't answered for `patience` seconds; None waits for ever.

    The server ends what takes too long by itself; this is for one that does nothing at all any more.
    """

    patience: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg has it. Raises OperationalError, with the connection closed, when there is no answer."""
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.patience:g} seconds") from None


def postgresql_engine(url: URL, busy_seconds: int) -> Engine:
    """Connects to `url`; a lock is waited for during `busy_seconds`. What the URL says of these times goes first."""
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    statement_seconds = busy_seconds + _WORK_SECONDS
    # A lock time-out of 0 would be none.
    limits = f"-c lock_timeout={max(1, busy_seconds * 1000)} -c statement_timeout={statement_seconds * 1000}"
    given = {"connect_timeout": _CONNECT_SECONDS, "application_name": "jupyter_deployr", "client_encoding": "utf8"}

    @event.listens_for(engine, "do_connect")
    def connect(_: Any, __: Any, arguments: list[Any], options: dict[str, Any]) -> PatientConnection:
        options = {**given, **options}
        options["options"] = f"{limits} {options.get('options', '')}"
        connection = PatientConnection.connect(*arguments, **options)
        connection.patience = statement_seconds + _ANSWER_SECONDS
        return connection

    return engine


@contextmanager
def migrating(connection: Connection) -> Iterator[None]:
    """Let one process at a time change the tables, for as long as that takes. Raises UnsuitableDatabase."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, PatientConnection)
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnsuitableDatabase(f"its encoding is {encoding}: make it with the encoding UTF8")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATIONS})")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    patience, driver.patience = driver.patience, None
    try:
        yield
    finally:
        driver.patience = patience
