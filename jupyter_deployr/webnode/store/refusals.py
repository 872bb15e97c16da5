"""What a refusal of the database means to who asked: 503 for what passes, 507 for a full disk, 500 for what stays, 400
for text that it can't keep."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from jupyter_deployr.protocol.errors import BadRequest, DeployRError, ServerFault, StorageFull, Unavailable

# PostgreSQL's own codes.
_DISK_FULL_STATE = "53100"
_READ_ONLY_STATES = ("25006", "42501")
_DAMAGED_STATES = ("XX001", "XX002")
_UNTOLD = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_NOTHING_LEFT_BYTES = 64 * 1024


def meaning(error: DBAPIError, file: Path | None) -> DeployRError | None:
    """The error to answer with; None when it is a fault of ours. `file` is where an SQLite database lies."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if _is_full(error, code, file):
        return StorageFull("The disk is full; nothing was changed.")
    state = getattr(error.orig, "sqlstate", None)
    if code == sqlite3.SQLITE_READONLY:
        return ServerFault("The database can't be written: the server's operator must make its file writable.")
    if state in _READ_ONLY_STATES:
        return ServerFault("The database can't be written: the server's operator must see to its rights.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or state in _DAMAGED_STATES:
        return ServerFault("The database is damaged: the server's operator must restore it from a backup.")
    if isinstance(error, DataError):
        return BadRequest("The database can't keep this: a text is too long, or has a character of code 0.")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable("The database can't be reached now; try again.")
    return None


def _is_full(error: DBAPIError, code: int, file: Path | None) -> bool:
    if code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _DISK_FULL_STATE:
        return True
    # What can't extend its files says only that they can't be read or opened.
    return code in _UNTOLD and file is not None and shutil.disk_usage(file.parent).free < _NOTHING_LEFT_BYTES
