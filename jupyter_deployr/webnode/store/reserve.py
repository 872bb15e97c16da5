"""Space kept back on the disk, so that something can still be deleted when the disk is full."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_BYTES = 1024 * 1024


class Reserve:
    """A file of zeros that is given up when even a deletion finds no room for its log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fill()

    def fill(self) -> None:
        """Keep the space back, if it isn't yet and there is that much."""
        if self._path.exists():
            return
        try:
            self._path.write_bytes(bytes(_BYTES))
        except OSError:
            with suppress(OSError):
                self.give_up()

    def give_up(self) -> None:
        """Free the space."""
        self._path.unlink(missing_ok=True)
