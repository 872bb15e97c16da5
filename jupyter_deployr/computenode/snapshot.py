"""The snapshot file: a workspace and the files of its working directory, made to be mapped rather than read.

    magic · { pickle of one name · its large buffers, page-aligned }… · files, page-aligned · index (JSON) · footer

The pickles share one memo, so objects that several names share stay shared. Buffers of arrays lie uncompressed at page
boundaries and are mapped copy-on-write: loading reads next to nothing, and processes that load the same snapshot share
its pages until they write to them. The index holds the manifest, what could not be kept, and where everything is; the
footer says where the index is. Nothing is unpickled to read an index, so the web node may do that. `saving` writes such
files.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from jupyter_deployr.computenode import manifest
from jupyter_deployr.computenode.loading import NamesReader, SavedName
from jupyter_deployr.computenode.pickling import Workspace
from jupyter_deployr.computenode.python_names import LASTING_NAMES
from jupyter_deployr.computenode.random_states import restore_random_states
from jupyter_deployr.computenode.regular_files import open_regular
from jupyter_deployr.protocol.characters import shown_name, whole_text, whole_texts

MAGIC = b"DEPLOYR\x03"
FOOTER = struct.Struct("<QQ8s")
COPY_CHUNK = 1024 * 1024
# What another process wrote is data: an index says no more than this, and no file of it lies outside its directory.
_MAX_INDEX = 64 * 1024 * 1024


class SnapshotError(Exception):
    """A snapshot that can't be loaded here; the text says why."""


@dataclass(frozen=True)
class NotKept:
    """Something the snapshot could not save: what it is called, its type, and why."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class SavedFile:
    """Where a file's content lies; `path` is relative, with slashes, and stays below the directory."""

    path: str
    offset: int
    length: int
    mode: int


class Snapshot:
    """A snapshot file opened for loading. `manifest` says what it was made with, `not_kept` what it lacks."""

    def __init__(self, path: Path) -> None:
        """Raises SnapshotError when the file is missing or not a snapshot."""
        self.path = path
        try:
            index = self._read_index()
            self.manifest = _manifest(index["manifest"])
            self.not_kept = [
                NotKept(shown_name(str(name)), whole_text(str(kind)), whole_text(str(why)))
                for name, kind, why in index.get("notKept", ())
            ]
            self.names = [_saved_name(entry) for entry in index["names"]]
            self.changes = [_saved_name(entry) for entry in index.get("changes", ())]
            self.files = [_saved_file(entry) for entry in index["files"]]
            self.folders = [_inside(path) for path in index.get("folders", ())]
            self._random: dict[str, Any] | None = index.get("random")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
            raise SnapshotError(f"The snapshot can't be read: {error}.") from None

    def _read_index(self) -> dict[str, Any]:
        with os.fdopen(open_regular(self.path), "rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            file.seek(-FOOTER.size, os.SEEK_END)
            start, length, magic = FOOTER.unpack(file.read(FOOTER.size))
            if magic != MAGIC or length > min(self.size, _MAX_INDEX):
                raise ValueError("it is not a snapshot of this version")
            file.seek(start)
            index: dict[str, Any] = json.loads(file.read(length))
            return index

    @property
    def empty(self) -> bool:
        """Whether it holds neither a name nor a file or folder."""
        return not (self.names or self.changes or self.files or self.folders)

    def largest(self, count: int = 10) -> list[tuple[str, int]]:
        """The largest names and files as they are shown, with their bytes in the file, largest first.

        What several names share counts for the first of them.
        """
        sizes = [(saved.name, saved.size) for saved in self.names if saved.name not in LASTING_NAMES]
        sizes += [(saved.path, saved.length) for saved in self.files]
        largest = sorted(sizes, key=lambda entry: -entry[1])[:count]
        return [(shown_name(name), size) for name, size in largest]

    def check_python(self) -> None:
        """Raises SnapshotError when this Python's minor version differs from the snapshot's, naming both."""
        refusal = manifest.other_python(self.manifest)
        if refusal:
            raise SnapshotError(refusal)

    @property
    def entries(self) -> list[SavedName]:
        """What is to be loaded, in order: the names, then the changes to libraries."""
        return [*self.names, *self.changes]

    def restore(self, reader: NamesReader, number: int, workspace: Workspace) -> None:
        """Load one of the entries. Raises whatever that ends in."""
        value = reader.read(number)
        if number < len(self.names):
            workspace[self.names[number].name] = value
        else:
            value.make()

    def load_into(self, workspace: Workspace) -> None:
        """Define the saved names in `workspace`, which stays its own dict: functions get it as their globals. Then make
        the changes to libraries that the session had made.

        Raises SnapshotError naming the object that can't be restored.
        """
        self.check_python()
        if not self.entries:
            return
        reader = NamesReader(self.path, self.entries, workspace)
        for number, saved in enumerate(self.entries):
            try:
                self.restore(reader, number, workspace)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise SnapshotError(
                    f"The object {saved.name!r} can't be restored: {type(error).__name__}: {error}."
                ) from error

    def restore_random_states(self) -> None:
        """Put the random generators where they were when the snapshot was made."""
        if self._random is not None:
            restore_random_states(self._random)

    def write_files(self, directory: Path, at_most: float = math.inf) -> None:
        """Write the saved files and folders below `directory`, over files, links and pipes of the same name.

        Files of more than `at_most` bytes are left out. Raises SnapshotError, before anything is written, when a file
        stands where a folder is to be or the reverse.
        """
        folders = {
            *self.folders,
            *(str(parent) for saved in self.files for parent in PurePosixPath(saved.path).parents),
        }
        for folder in folders:
            if _kind(directory / folder) not in (None, stat.S_IFDIR):
                raise SnapshotError(f"There is a file {folder!r} where the snapshot has a folder; remove it first.")
        for saved in self.files:
            if _kind(directory / saved.path) == stat.S_IFDIR:
                raise SnapshotError(f"There is a folder {saved.path!r} where the snapshot has a file; remove it first.")
        for folder in sorted(folders):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        for saved, chunks in self.read_files():
            if saved.length > at_most:
                continue
            target = directory / saved.path
            # A link would lead elsewhere, and a pipe would wait for a reader.
            target.unlink(missing_ok=True)
            with target.open("xb") as copy:
                copy.writelines(chunks)
            target.chmod(saved.mode)

    def read_files(self) -> Iterator[tuple[SavedFile, Iterator[bytes]]]:
        """Each saved file with its content in pieces, which must be taken before the next file."""
        if not self.files:
            return
        with os.fdopen(open_regular(self.path), "rb") as file:
            for saved in self.files:
                yield saved, _pieces(file, saved)


def _kind(path: Path) -> int | None:
    """What stands there, a link for itself; None for nothing."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return None


def _pieces(file: BinaryIO, saved: SavedFile) -> Iterator[bytes]:
    file.seek(saved.offset)
    left = saved.length
    while left:
        chunk = file.read(min(left, COPY_CHUNK))
        if not chunk:
            raise SnapshotError(f"The snapshot ends in the middle of the file {saved.path!r}.")
        left -= len(chunk)
        yield chunk


def _manifest(found: dict[str, Any]) -> manifest.Manifest:
    whole: manifest.Manifest = whole_texts(found)
    platform = whole.get("platform")
    return {
        **whole,
        "python": str(whole["python"]),
        "platform": None if platform is None else str(platform),
        "distributions": {name: str(version) for name, version in whole.get("distributions", {}).items()},
    }


def _saved_name(entry: dict[str, Any]) -> SavedName:
    buffers = tuple((int(offset), int(length)) for offset, length in entry["buffers"])
    return SavedName(str(entry["name"]), int(entry["offset"]), int(entry["length"]), buffers)


def _saved_file(entry: dict[str, Any]) -> SavedFile:
    path = _inside(entry["path"])
    return SavedFile(path, int(entry["offset"]), int(entry["length"]), int(entry["mode"]) & 0o777)


def _inside(text: Any) -> str:
    """A relative path that stays below its directory. Raises ValueError."""
    path = PurePosixPath(str(text))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("it names a file outside its directory")
    return str(path)
