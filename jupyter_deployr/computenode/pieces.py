"""A stream of unknown length over a socket: pieces, each behind its length. A length of 0 is the end."""

from __future__ import annotations

import io
import socket
import struct
from typing import Any

LENGTH = struct.Struct("<I")
PIECE = 256 * 1024


class PiecesFile(io.RawIOBase):
    """A file to write such a stream with. To close it doesn't end the stream; `end` does."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = memoryview(data).cast("B")[:PIECE]
        self._channel.sendall(LENGTH.pack(len(piece)))
        self._channel.sendall(piece)
        return len(piece)

    def end(self) -> None:
        """Everything has been written."""
        self._channel.sendall(LENGTH.pack(0))
