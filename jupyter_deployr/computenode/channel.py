"""Frames between the web node and a service worker, over a stream socket.

    u32 length of the payload · u32 sequence number · u16 code · u16 (zero) · u32 microseconds · payload

Requests carry a `Request` code; replies come in the order of the requests, carry the HTTP status of the answer (with a
flag, when the payload begins with a report of its failure: reports.py) and how long the worker took. A worker delivers
each reply, over the channel or into its outbox, before it starts the next frame, so when it dies, the oldest unanswered
frame is the one that it died of. A frame with the code `RING` says that the outbox has replies. The two ways have no
order between them; the sequence numbers have.
"""

from __future__ import annotations

import enum
import socket
import struct
import time
from collections.abc import Iterator

from jupyter_deployr.computenode.outbox import Outbox

HEADER = struct.Struct("<IIHHI")
RING = 0xFFFF
_RECEIVE = 256 * 1024
_RING_EVERY_NS = 600_000


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

    def __init__(self, channel: socket.socket, outbox: Outbox | None = None) -> None:
        """Without an `outbox`, every reply goes over the channel at once."""
        self._channel = channel
        self._outbox = outbox
        self._parser = FrameParser()
        self._in_hand = 0
        self._rang = 0

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        """(sequence, code, payload) of each request, until the web node closes its end."""
        while data := self._channel.recv(_RECEIVE):
            frames = self._parser.feed(data)
            self._in_hand = len(frames)
            self._rang = time.perf_counter_ns()
            for sequence, code, _, payload in frames:
                self._in_hand -= 1
                yield sequence, code, payload

    def reply(self, payload: bytes, sequence: int, status: int, microseconds: int) -> None:
        """Answer one request."""
        header = pack(payload, sequence, status, microseconds)
        outbox = self._outbox
        if outbox is None or (not self._in_hand and outbox.drained) or not outbox.put(header, payload):
            self._send(header, payload)
        elif not self._in_hand or time.perf_counter_ns() - self._rang > _RING_EVERY_NS:
            self._send(pack(b"", 0, RING), b"")
            self._rang = time.perf_counter_ns()

    def _send(self, header: bytes, payload: bytes) -> None:
        sent = self._channel.sendmsg((header, payload))
        if sent < HEADER.size + len(payload):
            self._channel.sendall(memoryview(header + payload)[sent:])
