"""Server processes: started, waited for until they are ready, and ended with all their children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil

ROOT = Path(__file__).parent.parent
READY_WITHIN = 60.0
END_WITHIN = 20.0


class ServerFailed(Exception):
    """A server that ended, or wasn't ready in time; the text has its last lines."""


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], ready: Callable[[str], str | None]
) -> Iterator[str]:
    """The base URL of a server while it runs.

    `ready` sees each line that the server prints and returns the URL once it accepts requests, until then None.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches this process, which then ends the server
    )
    lines: deque[str] = deque(maxlen=30)
    found: list[str] = []
    settled = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not found and (url := ready(line)):
                found.append(url)
                settled.set()
        settled.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        if not settled.wait(READY_WITHIN) or not found:
            raise ServerFailed(f"{' '.join(command)} did not become ready. It said:\n{''.join(lines)}")
        yield found[0]
    finally:
        _end(process)
        listener.join()


def _end(process: subprocess.Popen[str]) -> None:
    """SIGTERM, and SIGKILL for whatever of the tree is left after a while."""
    try:
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = []
    process.terminate()
    _kill(psutil.wait_procs(tree, timeout=END_WITHIN)[1])
    process.wait()


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """For the main program: SIGTERM leaves through the `finally` clauses too, and then no child is alive."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        # A signal may have come between the start of a child and the clause that ends it.
        _kill(psutil.Process().children(recursive=True))
        signal.signal(signal.SIGTERM, before)
