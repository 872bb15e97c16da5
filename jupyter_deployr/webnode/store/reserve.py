"""Space kept back on the disk, so that something can still be deleted, and people sign in, when the disk is full."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from pathlib import Path

_BYTES = 1024 * 1024
# For deletions alone: whatever else is written, they must always find room.
_FOR_DELETIONS = _BYTES // 2
_STEP = 16 * 1024


class Reserve:
    """A file of zeros that is given up, piece by piece or as a whole, for what must not wait for space."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.fill()

    def fill(self) -> None:
        """Keep all of the space back, if it isn't yet and the disk has more than that."""
        with self._lock:
            if self._size() == _BYTES or shutil.disk_usage(self._path.parent).free < 2 * _BYTES:
                return
            try:
                self._path.write_bytes(bytes(_BYTES))
            except OSError:
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def give_up_some(self) -> bool:
        """Free a piece of the space; False when all that is left is for deletions."""
        with self._lock:
            size = self._size()
            if size <= _FOR_DELETIONS:
                return False
            with self._path.open("r+b") as file:
                file.truncate(max(_FOR_DELETIONS, size - _STEP))
            return True

    def give_up(self) -> bool:
        """Free all of the space; False when there is none."""
        with self._lock:
            given = self._size() > 0
            self._path.unlink(missing_ok=True)
            return given

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
