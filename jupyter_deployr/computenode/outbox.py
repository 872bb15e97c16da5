"""Memory that a worker shares with the web node, for the replies of calls that follow each other closely.

A write to the channel wakes the web node, which then takes the processor from the workers: at full load that costs more
than the reply itself. So while more calls wait in a worker, it leaves their replies here, and rings on the channel only
now and then and before it waits. The web node looks in by itself too while calls are out. A reply is here before the
next call starts, so when the worker dies, nothing that it had finished is lost or done twice.

A ring of bytes behind two positions that only grow: the worker moves `tail` after the bytes are in place, the web node
moves `head` after it has copied them.
"""

from __future__ import annotations

import mmap
import os
import platform
import struct
import sys
import tempfile

_POSITION = struct.Struct("<Q")
_TAIL, _HEAD, _START = 0, 64, 128
_SIZE = 256 * 1024
_CAPACITY = _SIZE - _START

# The positions are read without a barrier, which only these processors allow.
USABLE = sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


class Outbox:
    """One end of the shared memory. `descriptor` is to be handed to the other end and closed."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        (self._tail,) = _POSITION.unpack_from(self._memory, _TAIL)
        (self._head,) = _POSITION.unpack_from(self._memory, _HEAD)

    @staticmethod
    def create() -> int:
        """A descriptor of new, empty shared memory."""
        if sys.platform == "linux":
            descriptor = os.memfd_create("outbox", os.MFD_CLOEXEC)
        else:
            descriptor, name = tempfile.mkstemp()
            os.unlink(name)  # noqa: PTH108 - by the descriptor from here on
        os.ftruncate(descriptor, _SIZE)
        return descriptor

    # ---------------------------------------------------------------------------------------------- the worker's

    @property
    def drained(self) -> bool:
        """Whether the web node has taken everything."""
        return bool(_POSITION.unpack_from(self._memory, _HEAD)[0] == self._tail)

    def put(self, header: bytes, payload: bytes) -> bool:
        """Leave a frame; False when there is no room for it now."""
        size = len(header) + len(payload)
        (head,) = _POSITION.unpack_from(self._memory, _HEAD)
        if self._tail - head + size > _CAPACITY:
            return False
        self._copy_in(self._tail, header)
        self._copy_in(self._tail + len(header), payload)
        self._tail += size
        _POSITION.pack_into(self._memory, _TAIL, self._tail)
        return True

    def _copy_in(self, position: int, data: bytes) -> None:
        offset = position % _CAPACITY
        start, room = _START + offset, _CAPACITY - offset
        if len(data) <= room:
            self._memory[start : start + len(data)] = data
        else:
            self._memory[start:_SIZE] = data[:room]
            self._memory[_START : _START + len(data) - room] = data[room:]

    # --------------------------------------------------------------------------------------------- the web node's

    def take(self) -> bytes:
        """The frames left since the last call."""
        (tail,) = _POSITION.unpack_from(self._memory, _TAIL)
        size = tail - self._head
        if not 0 < size <= _CAPACITY:
            return b""
        offset = self._head % _CAPACITY
        start, room = _START + offset, _CAPACITY - offset
        data = self._memory[start : start + min(size, room)]
        if size > room:
            data += self._memory[_START : _START + size - room]
        self._head = tail
        _POSITION.pack_into(self._memory, _HEAD, tail)
        return data

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
