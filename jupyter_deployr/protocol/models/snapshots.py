"""Snapshots: what was saved, and what could not be."""

from __future__ import annotations

from dataclasses import field

from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL


@dataclass(config=CAMEL)
class CreateSnapshotRequest:
    """`CreateSnapshot`: a name for people; it need not be unique.

    Ours: `only` are the variables to save, `drop` variables, files and folders to leave out; with `strict` nothing is
    saved unless everything can be.
    """

    name: str | None = None
    only: list[str] | None = None
    drop: list[str] | None = None
    strict: bool | None = None


@dataclass(config=CAMEL)
class UnkeptObject:
    """A name that a snapshot could not keep: the type of its value and the reason (ours)."""

    name: str
    type: str
    reason: str


@dataclass(config=CAMEL)
class SavedObject:
    """A variable or file of a snapshot and its size in bytes (ours)."""

    name: str
    size: int


@dataclass(config=CAMEL)
class CreateSnapshotResponse:
    """Answer of `CreateSnapshot`. Ours: `not_kept` names what could not be saved; everything else was. `content_size`
    is bytes, `largest` the largest variables and files in it."""

    snapshot_id: str | None = None
    not_kept: list[UnkeptObject] | None = None
    content_size: int | None = None
    largest: list[SavedObject] | None = None


@dataclass(config=CAMEL)
class SnapshotProgress:
    """How far a snapshot has come: the variable or file at hand, and the bytes written so far (ours)."""

    name: str
    written: int


@dataclass(config=CAMEL)
class Snapshot:
    """A stored snapshot of the caller. `creation_time` is local ISO 8601, `content_size` its bytes on disk: the zip is
    written anew each time it is downloaded, and its size not known before.

    Ours: the Python that made it, the `distributions` that it needs with their versions, how the server's differ, what
    could not be kept, its largest variables and files, and what is wrong with its content, as far as is known.
    """

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    creation_time: str | None = None
    content_size: int | None = None
    python_version: str | None = None
    platform: str | None = None
    distributions: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    not_kept: list[UnkeptObject] = field(default_factory=list)
    largest: list[SavedObject] = field(default_factory=list)
    broken: str | None = None


@dataclass(config=CAMEL)
class LoadSnapshotResponse:
    """Answer of `LoadSnapshot` (ours; the published description has none): how the packages of the server differ from
    those that the snapshot was made with."""

    differences: list[str] = field(default_factory=list)
