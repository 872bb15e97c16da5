"""Reading the names of a snapshot file, one after the other; also what comes behind one that can't be read."""

from __future__ import annotations

import mmap
import os
import pickle
import pickletools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.pickling import Workspace, unpickler_into
from jupyter_deployr.computenode.regular_files import open_regular

_LINE = 1024 * 1024
# To go through a pickle step by step takes a second for a megabyte or two.
_MOST_EXAMINED = 4 * 1024 * 1024
_FRAME, _MEMOIZE = struct.Struct("<cQ"), struct.Struct("<ci3s")
_REFERS = frozenset({"BINGET", "LONG_BINGET"})


@dataclass(frozen=True)
class SavedName:
    """Where a name's pickle and its buffers, as (offset, length), lie."""

    name: str
    offset: int
    length: int
    buffers: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self.length + sum(length for _, length in self.buffers)


class _MappedStream:
    """The file interface that an Unpickler wants, over a mapping and with a position that can be set."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self.view) if size < 0 else self.position + size
        data = bytes(self.view[self.position : end])
        self.position += len(data)
        return data

    def readinto(self, target: Any) -> int:
        size = len(target)
        target[:] = self.view[self.position : self.position + size]
        self.position += size
        return size

    def readline(self) -> bytes:
        line = bytes(self.view[self.position : self.position + _LINE]).partition(b"\n")
        data = line[0] + line[1]
        self.position += len(data)
        return data


class NamesReader:
    """Reads the values of saved names in their order. Functions among them get `workspace` as their globals."""

    def __init__(self, path: Path, names: Sequence[SavedName], workspace: Workspace) -> None:
        with os.fdopen(open_regular(path), "rb") as file:
            # Private and writable: arrays are writable as they were, and a write never reaches the file.
            mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self._view = memoryview(mapping)
        self._names = names
        self._workspace = workspace
        self._stream = _MappedStream(self._view)
        self._absent: set[int] = set()
        self._counted = 0
        self._entries = 0
        self._unpickler = self._unpickler_from(0)

    def _unpickler_from(self, number: int) -> pickle.Unpickler:
        buffers = (
            self._view[start : start + length] for saved in self._names[number:] for start, length in saved.buffers
        )
        return unpickler_into(self._workspace, self._stream, buffers)

    def read(self, number: int) -> Any:
        """The value of that name. Raises whatever restoring it ends in."""
        self._stream.position = self._names[number].offset
        return self._unpickler.load()

    def pass_over(self, number: int) -> bool:
        """Go on behind a name that could not be read; False when finding out how would take too long.

        What it would have given to later names is absent: `read` of one that wants it fails, or gives something else.
        """
        passed = self._names[self._counted : number + 1]
        if sum(saved.length for saved in passed) > _MOST_EXAMINED:
            return False
        # Where the later names look in the memo follows from how much these put into it.
        self._entries += sum(step.name == "MEMOIZE" for saved in passed for step, _ in self._steps(saved))
        self._counted = number + 1
        memo: dict[int, Any] = self._unpickler.memo.copy()
        self._absent |= set(range(self._entries)) - memo.keys()
        self._unpickler = self._unpickler_from(number + 1)
        self._memoize([memo.get(entry) for entry in range(self._entries)])
        return True

    def _memoize(self, values: list[Any]) -> None:
        """Have the unpickler's memo begin with these: its attribute `memo` can't be set."""
        steps = b"".join(_MEMOIZE.pack(b"J", number, b"Q\x940") for number in range(len(values))) + b"N."
        looks_up = self._unpickler.persistent_load
        self._unpickler.persistent_load = values.__getitem__  # type: ignore[method-assign]
        self._stream.view, self._stream.position = memoryview(_FRAME.pack(b"\x95", len(steps)) + steps), 0
        self._unpickler.load()
        self._unpickler.persistent_load = looks_up  # type: ignore[method-assign]
        self._stream.view = self._view

    def wants_absent(self, number: int) -> bool:
        """Whether that name refers to something absent, so that its failure says nothing of itself."""
        saved = self._names[number]
        return bool(self._absent) and (
            saved.length > _MOST_EXAMINED
            or any(step.name in _REFERS and entry in self._absent for step, entry in self._steps(saved))
        )

    def _steps(self, saved: SavedName) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
        pickled = bytes(self._view[saved.offset : saved.offset + saved.length])
        return ((step, argument) for step, argument, _ in pickletools.genops(pickled))
