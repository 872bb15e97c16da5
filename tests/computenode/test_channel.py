"""Frames survive however the bytes are cut."""

from __future__ import annotations

import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.computenode.channel import FrameParser, Request, WorkerEnd, pack

_frames = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 599), st.binary(max_size=200)), max_size=20)


@given(_frames, st.data())
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(pack(payload, sequence, code, 7) + payload for sequence, code, payload in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parser = FrameParser()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start < end:
            found += parser.feed(stream[start:end])
    assert found == [(sequence, code, 7, payload) for sequence, code, payload in frames]


def test_a_large_reply_is_sent_whole() -> None:
    ours, theirs = socket.socketpair()
    payload = bytes(range(256)) * 40_000
    end = WorkerEnd(theirs)
    sender = threading.Thread(target=end.reply, args=(payload, 3, 200, 5))
    with ours, theirs:
        sender.start()
        parser = FrameParser()
        frames: list[tuple[int, int, int, bytes]] = []
        while not frames:
            frames = parser.feed(ours.recv(65536))
        sender.join()
    assert frames == [(3, 200, 5, payload)]


def test_the_worker_reads_until_the_other_end_closes() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            for sequence, payload in enumerate((b"a", b"", b"c" * 1000)):
                ours.sendall(pack(payload, sequence, Request.CALL) + payload)
        found = list(WorkerEnd(theirs).frames())
    assert found == [(0, 0, b"a"), (1, 0, b""), (2, 0, b"c" * 1000)]
