"""The snapshot file: a workspace and the files of its working directory, made to be mapped rather than read.

    magic · { pickle of one name · its large buffers, page-aligned }… · files, page-aligned · index (JSON) · footer

The pickles share one memo, so objects that several names share stay shared. Buffers of arrays lie uncompressed at page
boundaries and are mapped copy-on-write: loading reads next to nothing, and processes that load the same snapshot share
its pages until they write to them. The index holds the manifest and says where everything is; the footer says where
the index is. Nothing is unpickled to read a manifest, so the web node may do that.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import pickle
import platform
import random
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from jupyter_deployr.computenode.pickling import Workspace, WorkspacePickler, restoring_into

_MAGIC = b"DEPLOYR\x01"
_FOOTER = struct.Struct("<QQ8s")
_PAGE = mmap.PAGESIZE
_LARGE = 64 * 1024
_SMALL_ALIGNMENT = 64
_COPY_CHUNK = 1024 * 1024


class SnapshotError(Exception):
    """A snapshot that can't be loaded here; the text says why."""


@dataclass(frozen=True)
class NotKept:
    """Something the snapshot could not save: what it is called, its type, and why."""

    name: str
    type: str
    reason: str


def _manifest() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": sys.platform,
    }


# ------------------------------------------------------------------------------------------------------------ save


def save(path: Path, workspace: Workspace, names: Iterable[str], directory: Path) -> list[NotKept]:
    """Write `names` of `workspace` and the regular files below `directory` to `path`.

    What can't be saved is returned, by name; everything else is in the file. Raises OSError when the disk is full; the
    file is removed then.
    """
    with path.open("w+b") as file:
        try:
            kept, not_kept = _save_workspace(file, workspace, list(names))
            files, skipped = _save_files(file, directory)
            index = {"manifest": _manifest(), "names": kept, "files": files, "random": _random_states()}
            start = file.tell()
            text = json.dumps(index).encode()
            file.write(text)
            file.write(_FOOTER.pack(start, len(text), _MAGIC))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return [*not_kept, *skipped]


def _save_workspace(
    file: BinaryIO, workspace: Workspace, names: list[str]
) -> tuple[list[dict[str, Any]], list[NotKept]]:
    """Write all names in one pass; when one fails, find the others that fail too and write the rest once more."""
    not_kept: dict[str, NotKept] = {}
    while True:
        file.seek(0)
        file.truncate()
        file.write(_MAGIC)
        wanted = [name for name in names if name not in not_kept]
        kept: list[dict[str, Any]] = []
        failed = _write_names(file, workspace, wanted, kept)
        if failed is None:
            return kept, [not_kept[name] for name in names if name in not_kept]
        # What failed may have left half of itself in the shared memo, so the rest can't just go on.
        for name in wanted[wanted.index(failed.name) + 1 :]:
            alone = _write_names(_Discarded(), workspace, [name], [])
            if alone is not None:
                not_kept[name] = alone
        not_kept[failed.name] = failed


def _write_names(file: _Target, workspace: Workspace, names: list[str], kept: list[dict[str, Any]]) -> NotKept | None:
    """Write each name's pickle and buffers; fills `kept`. Returns the first name that can't be pickled, or None."""
    stream = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = WorkspacePickler(stream, workspace, buffers.append)
    for name in names:
        stream.seek(0)
        stream.truncate()
        buffers.clear()
        try:
            pickler.dump(workspace[name])
        except Exception as error:
            return NotKept(name, type(workspace[name]).__name__, _reason(error))
        offset = _aligned(file, _SMALL_ALIGNMENT)
        pickled = stream.getbuffer()
        file.write(pickled)
        entry = {
            "name": name,
            "offset": offset,
            "length": pickled.nbytes,
            "buffers": list(_write_buffers(file, buffers)),
        }
        pickled.release()
        kept.append(entry)
    return None


def _write_buffers(file: _Target, buffers: list[pickle.PickleBuffer]) -> Iterator[tuple[int, int]]:
    for buffer in buffers:
        raw = buffer.raw()
        offset = _aligned(file, _PAGE if raw.nbytes >= _LARGE else _SMALL_ALIGNMENT)
        file.write(raw)
        yield offset, raw.nbytes


def _aligned(file: _Target, boundary: int) -> int:
    gap = -file.tell() % boundary
    file.write(bytes(gap))
    return file.tell()


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


class _Target(Protocol):
    """What names are written to."""

    def tell(self) -> int: ...

    def write(self, data: Any, /) -> int: ...


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


def _save_files(file: BinaryIO, directory: Path) -> tuple[list[dict[str, Any]], list[NotKept]]:
    files = []
    skipped = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) or "__pycache__" in path.parts:
            continue
        if not stat.S_ISREG(mode):
            # Never followed or opened: a link may lead anywhere, a pipe may never end.
            skipped.append(NotKept(name, "file", "only regular files are saved"))
            continue
        offset = _aligned(file, _SMALL_ALIGNMENT)
        with path.open("rb") as source:
            while chunk := source.read(_COPY_CHUNK):
                file.write(chunk)
        files.append(
            {"path": name, "offset": offset, "length": file.tell() - offset, "mode": stat.S_IMODE(mode) & 0o777}
        )
    return files, skipped


def _random_states() -> dict[str, Any]:
    """The states of the global generators of `random` and numpy, as JSON."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, words, gauss],
        "numpy": [name, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
    }


def _restore_random(states: dict[str, Any]) -> None:
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))


# ------------------------------------------------------------------------------------------------------------ load


class _MappedStream:
    """The file interface that an Unpickler wants, over a mapping and with a position that can be set."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else self.position + size
        data = bytes(self._view[self.position : end])
        self.position += len(data)
        return data

    def readinto(self, target: Any) -> int:
        size = len(target)
        target[:] = self._view[self.position : self.position + size]
        self.position += size
        return size

    def readline(self) -> bytes:
        line = bytes(self._view[self.position : self.position + _COPY_CHUNK]).partition(b"\n")
        data = line[0] + line[1]
        self.position += len(data)
        return data


class Snapshot:
    """A snapshot file opened for loading. `manifest` says which Python it came from."""

    def __init__(self, path: Path) -> None:
        """Raises SnapshotError when the file is missing or not a snapshot."""
        self.path = path
        try:
            index = self._read_index()
        except (OSError, ValueError, struct.error) as error:
            raise SnapshotError(f"The snapshot can't be read: {error}.") from None
        self.manifest: Mapping[str, str] = index["manifest"]
        self.size = path.stat().st_size
        self._names: list[dict[str, Any]] = index["names"]
        self._files: list[dict[str, Any]] = index["files"]
        self._random: dict[str, Any] | None = index.get("random")

    def _read_index(self) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(-_FOOTER.size, os.SEEK_END)
            start, length, magic = _FOOTER.unpack(file.read(_FOOTER.size))
            if magic != _MAGIC:
                raise ValueError("it is not a snapshot of this version")
            file.seek(start)
            index: dict[str, Any] = json.loads(file.read(length))
            return index

    @property
    def empty(self) -> bool:
        """Whether it holds neither a name nor a file."""
        return not self._names and not self._files

    def check_python(self) -> None:
        """Raises SnapshotError when this Python's minor version differs from the snapshot's, naming both."""
        here = platform.python_version()
        there = self.manifest["python"]
        if there.split(".")[:2] != here.split(".")[:2]:
            raise SnapshotError(
                f"The snapshot was made by Python {there} and can't be loaded by Python {here}: run the server with "
                f"Python {'.'.join(there.split('.')[:2])}, or make the snapshot again."
            )

    def load_into(self, workspace: Workspace) -> None:
        """Define the saved names in `workspace`, which stays its own dict: functions get it as their globals.

        Raises SnapshotError naming the object that can't be restored.
        """
        self.check_python()
        if not self._names:
            return
        with self.path.open("rb") as file:
            # Private and writable: arrays are writable as they were, and a write never reaches the file.
            mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        view = memoryview(mapping)
        stream = _MappedStream(view)
        buffers = (view[start : start + length] for entry in self._names for start, length in entry["buffers"])
        with restoring_into(workspace, stream, buffers) as unpickler:
            for entry in self._names:
                stream.position = entry["offset"]
                try:
                    workspace[entry["name"]] = unpickler.load()
                except Exception as error:
                    raise SnapshotError(
                        f"The object {entry['name']!r} can't be restored: {type(error).__name__}: {error}."
                    ) from error

    def restore_random_states(self) -> None:
        """Put the random generators where they were when the snapshot was made."""
        if self._random is not None:
            _restore_random(self._random)

    def write_files(self, directory: Path) -> None:
        """Write the saved files below `directory`, over those of the same name."""
        if not self._files:
            return
        with self.path.open("rb") as file:
            for entry in self._files:
                target = directory / entry["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                file.seek(entry["offset"])
                left = entry["length"]
                with target.open("wb") as copy:
                    while left:
                        chunk = file.read(min(left, _COPY_CHUNK))
                        copy.write(chunk)
                        left -= len(chunk)
                target.chmod(entry["mode"])
