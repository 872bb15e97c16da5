"""A call in a process of its own, forked for it and gone after it."""

from __future__ import annotations

import os
import select
import struct
import sys
from collections.abc import Callable

from jupyter_deployr.protocol.errors import WorkerLost
from jupyter_deployr.protocol.strict_json import write_json

_HEADER = struct.Struct("<IQ")
_CHUNK = 1024 * 1024

Answer = tuple[int, bytes]


def in_child(call: Callable[[], Answer]) -> Answer:
    """What `call` returns in a forked child; 502 when the child ends without an answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            status, body = call()
            _write(writing, _HEADER.pack(status, len(body)))
            _write(writing, body)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        answer = _read_answer(reading, child)
    finally:
        os.close(reading)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if answer is None:
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        lost = WorkerLost(f"The process of this call ended ({how}).")
        return lost.status, write_json(lost.body)
    return answer


def _read_answer(reading: int, child: int) -> Answer | None:
    """The child's answer, or None when it ended before it was complete."""
    received = bytearray()
    with _Ending(child) as ending:
        while True:
            ready = ending.wait_for(reading)
            data = os.read(reading, _CHUNK) if ready else b""
            if not data:
                return None
            received += data
            if len(received) >= _HEADER.size:
                status, length = _HEADER.unpack_from(received)
                if len(received) == _HEADER.size + length:
                    return status, bytes(received[_HEADER.size :])


class _Ending:
    """Waits for data or for the end of a child: what the child leaves running may keep its pipe open."""

    def __init__(self, child: int) -> None:
        self._poll = select.poll()
        self._process = os.pidfd_open(child) if sys.platform == "linux" else None

    def __enter__(self) -> _Ending:
        if self._process is not None:
            self._poll.register(self._process, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.close(self._process)

    def wait_for(self, reading: int) -> bool:
        """Whether `reading` has data or its end; False when the child has ended and nothing is left to read."""
        self._poll.register(reading, select.POLLIN)
        return reading in {descriptor for descriptor, _ in self._poll.poll()}


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
