"""What a worker leaves in the outbox, the web node finds: all of it, once, in order."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.computenode.channel import RING, FrameParser, Request, WorkerEnd, pack
from jupyter_deployr.computenode.outbox import Outbox


def _pair() -> tuple[Outbox, Outbox]:
    descriptor = Outbox.create()
    ends = Outbox(descriptor), Outbox(descriptor)
    os.close(descriptor)
    return ends


@pytest.fixture
def ends() -> Iterator[tuple[Outbox, Outbox]]:
    worker, web = _pair()
    yield worker, web
    worker.close()
    web.close()


@given(st.lists(st.tuples(st.integers(0, 60_000), st.booleans()), max_size=40))
def test_everything_arrives_once_and_in_order(steps: list[tuple[int, bool]]) -> None:
    worker, web = _pair()
    left, found = b"", b""
    for number, (size, look) in enumerate(steps):
        payload = bytes([number]) * size
        if worker.put(b"head", payload):
            left += b"head" + payload
        else:
            assert len(left) - len(found) + size > 190_000
        if look:
            found += web.take()
            assert worker.drained
    found += web.take()
    assert found == left
    assert web.take() == b""
    worker.close()
    web.close()


def test_what_is_there_when_the_worker_dies_is_found() -> None:
    descriptor = Outbox.create()
    web = Outbox(descriptor)
    leave = "import sys; from jupyter_deployr.computenode.outbox import Outbox\n"
    leave += "Outbox(int(sys.argv[1])).put(b'a', b'bc'); import os; os._exit(9)"
    died = subprocess.run([sys.executable, "-c", leave, str(descriptor)], pass_fds=[descriptor], check=False)
    os.close(descriptor)
    assert died.returncode == 9
    assert web.take() == b"abc"
    web.close()


def test_replies_that_follow_each_other_go_into_the_outbox(ends: tuple[Outbox, Outbox]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for sequence in range(3):
            ours.sendall(pack(b"x", sequence, Request.CALL) + b"x")
        ours.shutdown(socket.SHUT_WR)
        end = WorkerEnd(theirs, ends[0])
        for sequence, _, payload in end.frames():
            end.reply(payload * 2, sequence, 200, 5)
        said = FrameParser().feed(ours.recv(65536))
    left = FrameParser().feed(ends[1].take())
    assert [code for _, code, _, _ in said][-1] == RING
    assert left == [(sequence, 200, 5, b"xx") for sequence in range(3)]


def test_a_single_reply_goes_over_the_channel(ends: tuple[Outbox, Outbox]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(pack(b"x", 0, Request.CALL) + b"x")
        ours.shutdown(socket.SHUT_WR)
        end = WorkerEnd(theirs, ends[0])
        for sequence, _, payload in end.frames():
            end.reply(payload, sequence, 200, 5)
        assert FrameParser().feed(ours.recv(65536)) == [(0, 200, 5, b"x")]
    assert ends[1].take() == b""


def test_a_reply_without_room_goes_over_the_channel(ends: tuple[Outbox, Outbox]) -> None:
    worker, _ = ends
    assert worker.put(b"", bytes(200_000))
    assert not worker.put(b"", bytes(100_000))
    assert worker.put(b"", b"small")
