"""What a service call prints: Python's own streams, and what native code and child processes write below them."""

from __future__ import annotations

import io
import os
import sys
import tempfile

_MAX_CHARACTERS = 1_000_000
_CUT = "\n… (output cut: it was longer than {limit:,} characters)\n"


class Console(io.StringIO):
    """`sys.stdout` and `sys.stderr` of a worker. `take` returns what was printed since the last `take`."""

    def __init__(self) -> None:
        super().__init__(newline="\n")
        self._native = _redirected_descriptors()

    def fileno(self) -> int:
        return 1

    def close(self) -> None:
        """Does nothing: there is a next call."""

    def take(self) -> str:
        """All output since the last call, Python's first, then what was written to the descriptors directly."""
        text = ""
        if self.tell():
            text = self.getvalue()
            self.seek(0)
            self.truncate()
        if os.lseek(self._native, 0, os.SEEK_END):
            text += self._take_native()
        if len(text) > _MAX_CHARACTERS:
            text = text[:_MAX_CHARACTERS] + _CUT.format(limit=_MAX_CHARACTERS)
        return text

    def _take_native(self) -> str:
        data = os.pread(self._native, 4 * _MAX_CHARACTERS, 0)
        os.ftruncate(self._native, 0)
        return data.decode("utf-8", "replace")


def _redirected_descriptors() -> int:
    """Point descriptors 1 and 2 at an unnamed file opened for appending, and return a descriptor of it."""
    if sys.platform == "linux":
        native = os.memfd_create("console", os.MFD_CLOEXEC)
        appending = os.open(f"/proc/self/fd/{native}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        os.close(native)
    else:
        name = tempfile.mkstemp()[1]
        appending = os.open(name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        os.unlink(name)  # noqa: PTH108
    os.dup2(appending, 1)
    os.dup2(appending, 2)
    return appending
