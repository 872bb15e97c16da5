"""The processes below this one. What their parents leave behind comes here, where this process is the subreaper."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def children() -> list[int]:
    """The process ids of the children that this process's main thread has."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in listing.read_text().split()]


def end_children() -> None:
    """Kill all descendants: orphans come to the subreaper, so this ends when no child is left."""
    while found := children():
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for _ in found:
            os.waitpid(-1, 0)
