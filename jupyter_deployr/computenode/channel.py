"""Frames between the web node and a service worker, over a stream socket.

    u32 length of the payload · u32 sequence number · u16 code · u16 (zero) · u32 microseconds · payload

Requests carry a `Request` code; replies come in the order of the requests, carry the HTTP status of the answer and how
long the worker took. A worker writes each reply before it starts the next frame, so when it dies, the oldest
unanswered frame is the one that it died of.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("<IIHHI")
_RECEIVE = 256 * 1024


class Request(enum.IntEnum):
    """What a frame asks of a worker."""

    CALL = 0
    LOAD = 1


def pack(payload: bytes | bytearray | memoryview, sequence: int, code: int, microseconds: int = 0) -> bytes:
    """The header that goes before `payload`."""
    return HEADER.pack(len(payload), sequence, code, 0, microseconds)


class FrameParser:
    """Cuts received bytes into frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self._need = HEADER.size

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """The frames that `data` completes, as (sequence, code, microseconds, payload)."""
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            # A large frame is joined once, when all of it is there.
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        frames = []
        position, end = 0, len(data)
        self._need = HEADER.size
        while end - position >= HEADER.size:
            length, sequence, code, _, microseconds = HEADER.unpack_from(data, position)
            start = position + HEADER.size
            if end - start < length:
                self._need = HEADER.size + length
                break
            position = start + length
            frames.append((sequence, code, microseconds, data[start:position]))
        if position < end:
            self._parts.append(data[position:] if position else data)
            self._have = end - position
        return frames


class WorkerEnd:
    """The worker's end: blocking, one frame after the other."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._parser = FrameParser()

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        """(sequence, code, payload) of each request, until the web node closes its end."""
        while data := self._channel.recv(_RECEIVE):
            for sequence, code, _, payload in self._parser.feed(data):
                yield sequence, code, payload

    def reply(self, payload: bytes, sequence: int, status: int, microseconds: int) -> None:
        """Answer one request."""
        header = pack(payload, sequence, status, microseconds)
        sent = self._channel.sendmsg((header, payload))
        if sent < HEADER.size + len(payload):
            self._channel.sendall(memoryview(header + payload)[sent:])
