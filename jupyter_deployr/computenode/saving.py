"""Writing a snapshot file: as much of a workspace as can be saved, and by name what can't."""

from __future__ import annotations

import errno
import json
import mmap
import os
import pickle
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from jupyter_deployr.computenode.fail_points import fail_point
from jupyter_deployr.computenode.library_changes import Change
from jupyter_deployr.computenode.manifest import make_manifest
from jupyter_deployr.computenode.pickling import Stream, Workspace, WorkspacePickler
from jupyter_deployr.computenode.random_states import random_states
from jupyter_deployr.computenode.recursion import within_the_stack
from jupyter_deployr.computenode.snapshot import COPY_CHUNK, FOOTER, MAGIC, NotKept
from jupyter_deployr.computenode.used_names import code_of, names_in

_LARGE = 64 * 1024
_SMALL_ALIGNMENT = 64
_WRITE_CHUNK = 16 * 1024 * 1024
_DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

Progress = Callable[[str, int], None]

# As it is before a cell has put anything of its own in its place.
_dumps = json.dumps


def unheard(name: str, written: int) -> None:
    """Progress that nobody waits for."""


class UnknownNames(Exception):
    """Names to keep or to leave out that the workspace doesn't have."""


class Refused(Exception):
    """A snapshot that was to hold everything and can't: `not_kept` says what."""

    def __init__(self, not_kept: list[NotKept]) -> None:
        super().__init__("; ".join(f"{item.name} ({item.type}): {item.reason}" for item in not_kept))
        self.not_kept = not_kept


@dataclass(frozen=True)
class Selection:
    """What of a workspace to save.

    `only` are the variables to save (None for all), `drop` variables, files and folders to leave out; `strict` says to
    save nothing rather than something incomplete.
    """

    only: Sequence[str] | None = None
    drop: Sequence[str] = ()
    strict: bool = False

    def names(self, defined: Collection[str], directory: Path) -> list[str]:
        """Those of the defined names that are wanted. Raises UnknownNames."""
        unknown = [name for name in self.only or () if name not in defined]
        unknown += [name for name in self.drop if name not in defined and not self._is_file(name, directory)]
        if unknown:
            raise UnknownNames(", ".join(map(repr, unknown)))
        return [name for name in defined if (self.only is None or name in self.only) and name not in self.drop]

    @staticmethod
    def _is_file(name: str, directory: Path) -> bool:
        path = PurePath(name)
        return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and (directory / path).exists()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def wants_file(self, path: PurePath) -> bool:
        """Whether a file of the working directory is wanted."""
        # As paths: a folder may be given with a slash behind it.
        dropped = {PurePath(name) for name in self.drop}
        return dropped.isdisjoint((path, *path.parents[:-1]))


def save(
    path: Path,
    workspace: Workspace,
    names: Collection[str],
    directory: Path,
    *,
    selection: Selection | None = None,
    unloadable: Mapping[str, str] | None = None,
    changes: Mapping[str, Any] | None = None,
    packages: Iterable[str] = (),
    progress: Progress = unheard,
) -> list[NotKept]:
    """Write the selected ones of `names` of `workspace`, and of the regular files below `directory`, to `path`.

    `unloadable` are names that are known not to load again, with the reasons: they are not saved but named.
    `changes` are what cells have changed of libraries, from `library_changes`: saved too, unless names are selected.
    `packages` are top-level packages to record beside those that the objects need. `progress` is told the name or file
    that is being written and the bytes written so far; memory for one object at a time is needed, and none for large
    arrays. What can't be saved is returned, by name; everything else is in the file. Raises UnknownNames, Refused, and
    OSError when the disk is full; then there is no file.
    """
    selection = selection or Selection()
    changes = dict(changes or {}) if selection.only is None else {}
    wanted = selection.names([*names, *changes], directory)
    with path.open("w+b") as file, within_the_stack():
        try:
            places = (change.place for change in changes.values() if isinstance(change, Change))
            replaced = {place for place in places if place is not None}
            source = _Source(workspace, {**workspace, **changes}, directory, changes.keys(), replaced)
            writer = _Writer(file, source, progress)
            not_kept = writer.save_names(wanted, unloadable or {})
            not_kept += writer.save_files(selection)
            left_out = [name for name in names if name not in wanted]
            not_kept = _with_users(not_kept, left_out, source, wanted)
            if selection.strict and not_kept:
                raise Refused(not_kept)
            fail_point("snapshot.writing")
            writer.finish(make_manifest({*packages, *writer.packages}), not_kept)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return not_kept


@dataclass(frozen=True)
class _Source:
    """What is saved. `values` are the workspace's as it is now, because saving may run code that defines and deletes
    names, and `changes` of libraries among them; `replaced` are modules and names that these have bound anew."""

    workspace: Workspace
    values: Workspace
    directory: Path
    changes: Collection[str]
    replaced: Collection[tuple[str, str]]


class _Writer:
    """Writes one snapshot file from its beginning to its end."""

    def __init__(self, file: BinaryIO, source: _Source, progress: Progress) -> None:
        self._file = file
        self._source = source
        self._progress = progress
        self._names: list[dict[str, Any]] = []
        self._files: list[dict[str, Any]] = []
        self._folders: list[str] = []
        self.packages: set[str] = set()

    def save_names(self, names: list[str], unloadable: Mapping[str, str]) -> list[NotKept]:
        """Write all names in one pass; when one fails, find the others that fail too and write the rest once more."""
        values = self._source.values
        not_kept = {
            name: NotKept(name, type(values[name]).__name__, unloadable[name]) for name in names if name in unloadable
        }
        while True:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(MAGIC)
            pass_ = _Pass(self._file, self._source, self._progress)
            wanted = pass_.in_order([name for name in names if name not in not_kept])
            failed = pass_.write(wanted)
            if failed is None:
                self._names, self.packages = pass_.entries, pass_.packages
                return [not_kept[name] for name in names if name in not_kept]
            # What failed may have left half of itself in the shared memo, so the rest can't just go on.
            for name in wanted[wanted.index(failed.name) + 1 :]:
                alone = _Pass(_Discarded(), self._source, unheard).write([name])
                if alone is not None:
                    not_kept[name] = alone
            not_kept[failed.name] = failed

    def save_files(self, selection: Selection) -> list[NotKept]:
        """Write the files of the directory; what is no regular file is returned."""
        skipped = []
        directory = self._source.directory
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory)
            mode = path.lstat().st_mode
            if "__pycache__" in name.parts or not selection.wants_file(name):
                continue
            if stat.S_ISDIR(mode):
                self._folders.append(name.as_posix())
                continue
            if not stat.S_ISREG(mode):
                # Never followed or opened: a link may lead anywhere, a pipe may never end.
                skipped.append(NotKept(name.as_posix(), "file", "only regular files are saved"))
                continue
            self._write_file(path, name.as_posix(), mode)
        return skipped

    def _write_file(self, path: Path, name: str, mode: int) -> None:
        offset = _aligned(self._file, _SMALL_ALIGNMENT)
        with path.open("rb") as source:
            # As long as it is now: something may be writing to it all the time.
            left = os.fstat(source.fileno()).st_size
            while left and (chunk := source.read(min(left, COPY_CHUNK))):
                self._progress(name, self._file.tell())
                self._file.write(chunk)
                left -= len(chunk)
        length = self._file.tell() - offset
        self._files.append({"path": name, "offset": offset, "length": length, "mode": stat.S_IMODE(mode) & 0o777})

    def finish(self, manifest: dict[str, Any], not_kept: list[NotKept]) -> None:
        """Write the index and the footer."""
        index = {
            "manifest": manifest,
            "names": [entry for entry in self._names if entry["name"] not in self._source.changes],
            "changes": [entry for entry in self._names if entry["name"] in self._source.changes],
            "files": self._files,
            "folders": self._folders,
            "notKept": [[item.name, item.type, item.reason] for item in not_kept],
            "random": random_states(),
        }
        start = self._file.tell()
        text = _dumps(index).encode()
        self._file.write(text)
        self._file.write(FOOTER.pack(start, len(text), MAGIC))


class _Pass:
    """One run over names with one pickler, whose memo they share."""

    def __init__(self, file: _Target, source: _Source, progress: Progress) -> None:
        self._file = file
        self._values = source.values
        self._progress = progress
        self._buffers: list[pickle.PickleBuffer] = []
        self._pickler = WorkspacePickler(
            file, source.workspace, self._buffers.append, source.directory, source.replaced
        )
        self.entries: list[dict[str, Any]] = []

    @property
    def packages(self) -> set[str]:
        """The top-level packages that what was written needs."""
        return self._pickler.packages

    def in_order(self, names: list[str]) -> list[str]:
        """The order to write names in: first those of values that modules have too, which others may refer to."""
        return sorted(names, key=lambda name: not self._pickler.imports(self._values[name]))

    def write(self, names: list[str]) -> NotKept | None:
        """Write each name's pickle and buffers. Returns the first name that can't be pickled, or None."""
        for name in names:
            self._progress(name, self._file.tell())
            self._buffers.clear()
            offset = _aligned(self._file, _SMALL_ALIGNMENT)
            try:
                self._pickler.dump(self._values[name])
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # Code of the objects' own runs here, and what it raises may not end the session.
                if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
                    raise
                return NotKept(name, type(self._values[name]).__name__, _reason(error))
            length = self._file.tell() - offset
            buffers = [self._write_buffer(name, buffer) for buffer in self._buffers]
            self.entries.append({"name": name, "offset": offset, "length": length, "buffers": buffers})
        return None

    def _write_buffer(self, name: str, buffer: pickle.PickleBuffer) -> tuple[int, int]:
        with buffer.raw() as raw:
            size = raw.nbytes
            offset = _aligned(self._file, mmap.PAGESIZE if size >= _LARGE else _SMALL_ALIGNMENT)
            for start in range(0, size, _WRITE_CHUNK):
                self._file.write(raw[start : start + _WRITE_CHUNK])
                self._progress(name, self._file.tell())
        # The memo holds on to the buffer, and the buffer to what may be a copy made for it alone.
        buffer.release()
        return offset, size


def _aligned(file: _Target, boundary: int) -> int:
    gap = -file.tell() % boundary
    file.write(bytes(gap))
    return file.tell()


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _with_users(
    not_kept: list[NotKept], left_out: Collection[str], source: _Source, wanted: list[str]
) -> list[NotKept]:
    """`not_kept` with the functions and classes that are saved and will miss something, and what was left out although
    one of them uses it."""
    missing = {item.name for item in not_kept} | set(left_out)
    users: dict[str, list[str]] = {}
    for name in wanted:
        if name not in missing:
            for used in {
                used for code in code_of(source.values[name], source.workspace) for used in names_in(code, missing)
            }:
                users.setdefault(used, []).append(name)
    told = [
        replace(item, reason=f"{item.reason}; used by {', '.join(users[item.name])}") if item.name in users else item
        for item in not_kept
    ]
    for name in left_out:
        if name in users:
            reason = f"left out, but used by {', '.join(users[name])}"
            told.append(NotKept(name, type(source.values[name]).__name__, reason))
    return told


class _Target(Stream, Protocol):
    """What names are written to."""

    def tell(self) -> int: ...


class _Discarded:
    """A target that keeps nothing but its position."""

    def __init__(self) -> None:
        self._position = 0

    def tell(self) -> int:
        return self._position

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        self._position += size
        return size
