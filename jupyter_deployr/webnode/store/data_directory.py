"""One data directory to a database elsewhere: the rows of the one refer to the files of the other."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from jupyter_deployr.protocol.places import write_private
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import DataDirectoryRow

_FILE = "database-id"
_ONLY = 1
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OtherDataDirectory(Exception):
    """The database belongs to another data directory."""


def bind(database: Database, data_dir: Path) -> None:
    """Let the database belong to `data_dir`, if it belongs to none yet.

    Two servers would take each other's versions for broken, and run each other's batches. Raises OtherDataDirectory,
    OSError.
    """
    path = data_dir / _FILE
    ours = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not _UUID.fullmatch(ours):
        ours = str(uuid.uuid4())
    theirs = _identity(database)
    if theirs is None:
        # The file first: a server that is killed in between finds it, and goes on with it.
        write_private(path, f"{ours}\n")
        try:
            with database.transaction() as session:
                session.add(DataDirectoryRow(id=_ONLY, identity=ours))
        except IntegrityError:
            theirs = _identity(database)
        else:
            return
    if theirs != ours:
        raise OtherDataDirectory(
            f"the database belongs to another data directory than {data_dir}: start the server with that one, or, if "
            f"it is lost, write {theirs} into {path}"
        )


def _identity(database: Database) -> str | None:
    with database.transaction() as session:
        row = session.get(DataDirectoryRow, _ONLY)
        return None if row is None else row.identity
