"""The latest calls of one version that failed, for its publisher: in memory, bounded in number and bytes.

Neither inputs nor tokens get here; what user code prints, or puts into the text of an exception, does.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass

from jupyter_deployr.computenode import FailureReport

MAX_ENTRIES = 100
MAX_BYTES = 256 * 1024

# Each log has one of its own: the cursor of a process that has ended, or of a version that was deleted, is of no use.
_EPOCH_BYTES = 6


@dataclass(frozen=True)
class Failure:
    """A call that failed: `time` in seconds since 1970, `status` the HTTP status that it was answered with."""

    serial: int
    request_id: str
    time: float
    status: int
    report: bytes | FailureReport

    @property
    def size(self) -> int:
        """Bytes, more or less."""
        if isinstance(self.report, bytes):
            return len(self.report)
        return len(self.report.message) + len(self.report.traceback)

    def read(self) -> FailureReport:
        """What is known of it."""
        return FailureReport.read(self.report) if isinstance(self.report, bytes) else self.report


class FailureLog:
    """The latest failures. `dropped` of them, the oldest, are no longer here."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(_EPOCH_BYTES)
        self._entries: deque[Failure] = deque()
        self._size = 0
        self._serial = 0

    def add(self, request_id: str, status: int, report: bytes | FailureReport) -> None:
        """Keep a failure that has just happened."""
        self._serial += 1
        entry = Failure(self._serial, request_id, time.time(), status, report)
        self._entries.append(entry)
        self._size += entry.size
        while len(self._entries) > MAX_ENTRIES or self._size > MAX_BYTES:
            self._size -= self._entries.popleft().size

    @property
    def cursor(self) -> str:
        """Names the latest failure: `after` it there is none yet."""
        return f"{self._epoch}-{self._serial}"

    def after(self, cursor: str | None) -> tuple[list[Failure], int | None]:
        """The failures after a cursor, the oldest first, and how many before them are no longer here.

        Without a cursor, all. Of a cursor of another log it can't be known what is missing: None, and all.
        """
        seen: int | None = 0
        if cursor:
            epoch, _, serial = cursor.rpartition("-")
            known = epoch == self._epoch and serial.isascii() and serial.isdigit() and len(serial) < 20
            seen = min(int(serial), self._serial) if known else None
        entries = [entry for entry in self._entries if entry.serial > (seen or 0)]
        return entries, None if seen is None else self._serial - seen - len(entries)
