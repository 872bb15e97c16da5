"""Batch executions as they are kept: what they were started with, and what their records came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jupyter_deployr.computenode import fail_point
from jupyter_deployr.webnode.store.database import Database
from jupyter_deployr.webnode.store.tables import BatchExecutionRow, BatchFileRow, BatchInputRow, BatchResultRow

# A slice of records as it is read: so many, or so many bytes and the record that goes beyond them.
_SLICE = 2000
_SLICE_BYTES = 1024 * 1024
_FETCH = 32
_INSERT = 5000
_PART_BYTES = 1024 * 1024


@dataclass(frozen=True)
class StoredBatch:
    """A batch execution. Times are epoch seconds; `fingerprint` is that of the version it was started on; `reason` says
    why it is `Failed`."""

    serial: int
    id: str
    name: str
    version: str
    owner: str
    created: float
    parallel_count: int
    fingerprint: str
    total: int
    completed: int
    state: str
    reason: str
    ended: float | None


@dataclass(frozen=True)
class RecordResult:
    """What one record came to: its WebServiceResult as JSON, and the contents of the files that it wrote."""

    position: int
    result: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)


_COLUMNS = tuple(column.name for column in fields(StoredBatch))


def _stored(row: BatchExecutionRow) -> StoredBatch:
    return StoredBatch(**{name: getattr(row, name) for name in _COLUMNS})


class BatchStore:
    """Reads and writes batch executions. Methods block; call them in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------------------------------------ executions

    def add(
        self,
        *,
        identity: str,
        name: str,
        version: str,
        owner: str,
        created: float,
        parallel_count: int,
        fingerprint: str,
        records: Sequence[bytes],
    ) -> StoredBatch:
        """Keep a new execution, `Pending`, with the inputs of all its records."""
        row = BatchExecutionRow(
            id=identity,
            name=name,
            version=version,
            owner=owner,
            created=created,
            parallel_count=parallel_count,
            fingerprint=fingerprint,
            total=len(records),
            completed=0,
            state="Pending",
            reason="",
            ended=None,
        )
        with self._database.transaction() as session:
            session.add(row)
            session.flush()
            for start in range(0, len(records), _INSERT):
                inputs = [
                    {"execution": row.serial, "position": position, "inputs": body}
                    for position, body in enumerate(records[start : start + _INSERT], start)
                ]
                session.execute(insert(BatchInputRow.__table__), inputs)  # type: ignore[arg-type]
            fail_point("batch.start.before_commit")
            batch = _stored(row)
        fail_point("batch.start.committed")
        return batch

    def find(self, identity: str) -> StoredBatch | None:
        """The execution of that id."""
        with self._database.transaction() as session:
            row = session.scalar(select(BatchExecutionRow).where(BatchExecutionRow.id == identity))
            return None if row is None else _stored(row)

    def of(self, owner: str, name: str, version: str) -> list[str]:
        """The ids of a user's executions of one version, oldest first."""
        found = (
            select(BatchExecutionRow.id)
            .where(
                BatchExecutionRow.name == name, BatchExecutionRow.version == version, BatchExecutionRow.owner == owner
            )
            .order_by(BatchExecutionRow.serial)
        )
        with self._database.transaction() as session:
            return list(session.scalars(found))

    def unfinished(self) -> list[StoredBatch]:
        """The executions that have not ended, oldest first."""
        found = select(BatchExecutionRow).where(BatchExecutionRow.ended.is_(None)).order_by(BatchExecutionRow.serial)
        with self._database.transaction() as session:
            return [_stored(row) for row in session.scalars(found)]

    def ended_before(self, moment: float) -> list[StoredBatch]:
        """The executions that had ended by then, oldest first."""
        found = select(BatchExecutionRow).where(BatchExecutionRow.ended < moment).order_by(BatchExecutionRow.serial)
        with self._database.transaction() as session:
            return [_stored(row) for row in session.scalars(found)]

    def begin(self, batch: StoredBatch) -> None:
        """It is `InProgress` from now on."""
        with self._database.transaction() as session:
            _change(session, batch, state="InProgress")
            fail_point("batch.begin.before_commit")
        fail_point("batch.begin.committed")

    def end(self, batch: StoredBatch, state: str, reason: str, moment: float) -> None:
        """It has ended; the inputs are needed no more."""

        def finish(session: Session) -> None:
            _change(session, batch, state=state, reason=reason, ended=moment)
            session.execute(delete(BatchInputRow).where(BatchInputRow.execution == batch.serial))
            fail_point("batch.end.before_commit")

        self._database.freeing(finish)
        fail_point("batch.end.committed")

    def remove(self, batch: StoredBatch) -> bool:
        """Forget an execution with all that belongs to it; False when it is gone already."""

        def forget(session: Session) -> bool:
            gone = session.execute(
                delete(BatchExecutionRow)
                .where(BatchExecutionRow.serial == batch.serial)
                .returning(BatchExecutionRow.serial)
            ).first()
            for table in (BatchInputRow, BatchResultRow, BatchFileRow):
                session.execute(delete(table).where(table.execution == batch.serial))
            fail_point("batch.delete.before_commit")
            return gone is not None

        found = self._database.freeing(forget)
        fail_point("batch.delete.committed")
        return found

    # --------------------------------------------------------------------------------------------------- records

    def waiting(self, batch: StoredBatch, after: int) -> list[tuple[int, bytes]]:
        """The next records behind position `after` that have no result, as (position, inputs); empty at the end."""
        done = select(BatchResultRow.position).where(
            BatchResultRow.execution == BatchInputRow.execution, BatchResultRow.position == BatchInputRow.position
        )
        return self._slice(
            select(BatchInputRow.position, BatchInputRow.inputs)
            .where(BatchInputRow.execution == batch.serial, BatchInputRow.position > after, ~done.exists())
            .order_by(BatchInputRow.position)
        )

    def add_results(self, batch: StoredBatch, results: Sequence[RecordResult]) -> None:
        """Keep what some records came to, all or none; once, however often it is asked for."""
        try:
            self._add_results(batch, results)
        except IntegrityError:
            # The connection was lost in an earlier try, after the commit and before word of it came.
            if not self._has(batch, results[0].position):
                raise
        fail_point("batch.records.committed")

    def _has(self, batch: StoredBatch, position: int) -> bool:
        with self._database.transaction() as session:
            return session.get(BatchResultRow, (batch.serial, position)) is not None

    def _add_results(self, batch: StoredBatch, results: Sequence[RecordResult]) -> None:
        with self._database.transaction() as session:
            completed = session.scalar(
                select(BatchExecutionRow.completed).where(BatchExecutionRow.serial == batch.serial)
            )
            rows = [
                {"execution": batch.serial, "position": record.position, "turn": turn, "result": record.result}
                for turn, record in enumerate(results, (completed or 0) + 1)
            ]
            session.execute(insert(BatchResultRow.__table__), rows)  # type: ignore[arg-type]
            for record in results:
                for name, content in record.files.items():
                    for part in _parts(batch.serial, record.position, name, content):
                        session.execute(insert(BatchFileRow.__table__), [part])  # type: ignore[arg-type]
            _change(session, batch, completed=BatchExecutionRow.completed + len(rows))
            fail_point("batch.records.before_commit")

    def results(self, batch: StoredBatch, start: int) -> list[tuple[int, bytes]]:
        """The next results from position `start` on, as (position, result), of the records that `batch` counts as
        completed."""
        return self._slice(
            select(BatchResultRow.position, BatchResultRow.result)
            .where(
                BatchResultRow.execution == batch.serial,
                BatchResultRow.position >= start,
                BatchResultRow.turn <= batch.completed,
            )
            .order_by(BatchResultRow.position)
        )

    def _slice(self, rows: Select[int, bytes]) -> list[tuple[int, bytes]]:
        """The first rows, as many as one slice holds."""
        found: list[tuple[int, bytes]] = []
        size = 0
        with self._database.transaction() as session:
            for position, content in session.execute(rows.limit(_SLICE).execution_options(yield_per=_FETCH)):
                found.append((position, content))
                size += len(content)
                if size > _SLICE_BYTES:
                    break
        return found

    # ----------------------------------------------------------------------------------------------------- files

    def files(self, batch: StoredBatch, position: int) -> list[str]:
        """The names of the files that one record wrote."""
        found = (
            select(BatchFileRow.name)
            .where(BatchFileRow.execution == batch.serial, BatchFileRow.position == position, BatchFileRow.part == 0)
            .order_by(BatchFileRow.name)
        )
        with self._database.transaction() as session:
            return list(session.scalars(found))

    def file_part(self, batch: StoredBatch, position: int, name: str, part: int) -> bytes | None:
        """A part of a file that one record wrote; None behind the last."""
        with self._database.transaction() as session:
            row = session.get(BatchFileRow, (batch.serial, position, name, part))
            return None if row is None else row.content


def _change(session: Session, batch: StoredBatch, **values: Any) -> None:
    session.execute(update(BatchExecutionRow).where(BatchExecutionRow.serial == batch.serial).values(**values))


def _parts(serial: int, position: int, name: str, content: bytes) -> Iterator[dict[str, Any]]:
    """The rows of one file; an empty file has one, too."""
    for part, start in enumerate(range(0, len(content) or 1, _PART_BYTES)):
        yield {
            "execution": serial,
            "position": position,
            "name": name,
            "part": part,
            "content": content[start : start + _PART_BYTES],
        }
