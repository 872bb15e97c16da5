"""The database tables. Times are UTC epoch seconds; lists of parameters are JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {list[Any]: JSON, dict[str, Any]: JSON}  # noqa: RUF012 - SQLAlchemy's own way


class AccountRow(Base):
    """A local account. `generated` is true while the password is one that no person has chosen."""

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(256), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(32))
    generated: Mapped[bool]


class TokenFamilyRow(Base):
    """One sign-in and everything renewed from it. Only the newest pair of tokens is valid."""

    __tablename__ = "token_families"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    account: Mapped[str] = mapped_column(String(256), index=True)
    access_id: Mapped[str] = mapped_column(String(36))
    refresh_hash: Mapped[str] = mapped_column(String(64))
    refresh_expires: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float, index=True)
    revoked: Mapped[bool]


class AccessChangesRow(Base):
    """One row: how often accounts and sign-ins were changed in a way that ends what was valid."""

    __tablename__ = "access_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    serial: Mapped[int] = mapped_column(BigInteger)


class DataDirectoryRow(Base):
    """One row, or none: the data directory whose contents the rows of this database refer to."""

    __tablename__ = "data_directory"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    identity: Mapped[str] = mapped_column(String(36))


class SnapshotRow(Base):
    """A snapshot; its content is the blob of that digest."""

    __tablename__ = "snapshots"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(String(256), index=True)
    created: Mapped[float] = mapped_column(Float)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    not_kept: Mapped[list[Any]]
    manifest: Mapped[dict[str, Any]]
    largest: Mapped[list[Any]]


class VersionRow(Base):
    """A published version. `serial` is the order of publishing; `digest` the blob of its own copy of the snapshot."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("name", "version"), Index("ix_versions_name_serial", "name", "serial"))

    serial: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(256))
    version: Mapped[str] = mapped_column(String(256))
    published_by: Mapped[str] = mapped_column(String(256))
    created: Mapped[float] = mapped_column(Float)
    description: Mapped[str | None] = mapped_column(Text)
    operation_id: Mapped[str | None] = mapped_column(String(256))
    code: Mapped[str] = mapped_column(Text)
    init_code: Mapped[str | None] = mapped_column(Text)
    inputs: Mapped[list[Any]]
    outputs: Mapped[list[Any]]
    output_files: Mapped[list[Any]]
    snapshot_id: Mapped[str | None] = mapped_column(String(36))
    digest: Mapped[str | None] = mapped_column(String(64), index=True)
    isolation: Mapped[str] = mapped_column(String(16))
    notes: Mapped[list[Any]]


class BatchExecutionRow(Base):
    """A batch execution. `serial` is the order of starting, `fingerprint` the version as it was then; `ended` is null
    while records are to be run."""

    __tablename__ = "batch_executions"
    __table_args__ = (
        Index("ix_batch_executions_version", "name", "version", "owner", "serial"),
        {"sqlite_autoincrement": True},
    )

    serial: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    name: Mapped[str] = mapped_column(String(256))
    version: Mapped[str] = mapped_column(String(256))
    owner: Mapped[str] = mapped_column(String(256))
    created: Mapped[float] = mapped_column(Float)
    parallel_count: Mapped[int] = mapped_column(Integer)
    fingerprint: Mapped[str] = mapped_column(String(64))
    total: Mapped[int] = mapped_column(Integer)
    completed: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    ended: Mapped[float | None] = mapped_column(Float, index=True)


class BatchInputRow(Base):
    """The inputs of one record of a batch execution, as they came; gone once the execution has ended."""

    __tablename__ = "batch_inputs"

    execution: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    inputs: Mapped[bytes] = mapped_column(LargeBinary)


class BatchResultRow(Base):
    """The result of one record, as it is answered. `turn` counts, from 1, in the order in which records were done."""

    __tablename__ = "batch_results"

    execution: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    turn: Mapped[int] = mapped_column(Integer)
    result: Mapped[bytes] = mapped_column(LargeBinary)


class BatchFileRow(Base):
    """A part of a file that one record wrote; the parts from 0 on make the file."""

    __tablename__ = "batch_files"

    execution: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(256), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
