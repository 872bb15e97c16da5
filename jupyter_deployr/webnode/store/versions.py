"""Published versions as they are kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jupyter_deployr.computenode import fail_point
from jupyter_deployr.protocol.errors import Conflict, NotFound
from jupyter_deployr.protocol.parameters import Parameter, Parameters
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import VersionRow


@dataclass(frozen=True)
class StoredVersion:
    """A published version. `created` is epoch seconds; `digest` names the blob of its workspace, None for a version
    without one; `notes` say what its calls may leave behind."""

    name: str
    version: str
    published_by: str
    created: float
    description: str | None
    operation_id: str | None
    code: str
    init_code: str | None
    inputs: Parameters
    outputs: Parameters
    output_files: tuple[str, ...]
    snapshot_id: str | None
    digest: str | None
    isolation: str = "namespace"
    notes: tuple[str, ...] = ()


_COLUMNS = tuple(field.name for field in fields(StoredVersion))


def _values(stored: StoredVersion) -> dict[str, object]:
    return {name: _plain(getattr(stored, name)) for name in _COLUMNS}


def _plain(value: object) -> object:
    """As the database keeps it."""
    if isinstance(value, tuple):
        return [item.to_json() if isinstance(item, Parameter) else item for item in value]
    return value


def _stored(row: VersionRow) -> StoredVersion:
    values = {name: getattr(row, name) for name in _COLUMNS}
    values["inputs"] = tuple(map(Parameter.from_json, row.inputs))
    values["outputs"] = tuple(map(Parameter.from_json, row.outputs))
    values["output_files"] = tuple(row.output_files)
    values["notes"] = tuple(row.notes)
    return StoredVersion(**values)


def _named(name: str, version: str) -> Select[VersionRow]:
    return select(VersionRow).where(VersionRow.name == name, VersionRow.version == version)


class VersionStore:
    """Reads and writes versions. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[StoredVersion]:
        """Every version, in the order of publishing."""
        with self._database.transaction() as session:
            return [_stored(row) for row in session.scalars(select(VersionRow).order_by(VersionRow.serial))]

    def find(self, name: str, version: str) -> StoredVersion | None:
        """One version."""
        with self._database.transaction() as session:
            row = session.scalar(_named(name, version))
            return None if row is None else _stored(row)

    def add(self, stored: StoredVersion) -> None:
        """Keep a new version. Raises Conflict when the name has one of that version."""
        try:
            with self._database.transaction() as session:
                session.add(VersionRow(**_values(stored)))
                session.flush()
                fail_point("publish.before_commit")
        except IntegrityError:
            raise Conflict(
                f"{stored.name} {stored.version} exists already. Publish another version, or patch this one."
            ) from None

    def replace(self, stored: StoredVersion) -> None:
        """Change what is kept of a version. Raises NotFound when it is gone."""
        with self._database.transaction() as session:
            row = session.scalar(_named(stored.name, stored.version))
            if row is None:
                raise NotFound(f"There is no service {stored.name} {stored.version}.")
            for name, value in _values(stored).items():
                setattr(row, name, value)
            session.flush()
            fail_point("patch.before_commit")

    def remove(self, name: str, version: str) -> None:
        """Forget a version."""

        def forget(session: Session) -> None:
            session.execute(delete(VersionRow).where(VersionRow.name == name, VersionRow.version == version))
            fail_point("delete.before_commit")

        self._database.freeing(forget)

    def digests(self) -> set[str]:
        """The blobs that versions refer to."""
        with self._database.transaction() as session:
            return {digest for digest in session.scalars(select(VersionRow.digest)) if digest is not None}
