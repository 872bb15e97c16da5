"""Sessions in advance: when one is started, and what happens when that fails."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest

from jupyter_deployr.computenode import Session, warm_sessions
from jupyter_deployr.computenode.warm_sessions import WarmSessions
from jupyter_deployr.protocol.errors import Unavailable

PAUSE = 0.02


class Started:
    """Stands for a session, without a process."""

    def __init__(self) -> None:
        self.ended = False
        self.closed = False
        self.ending = "has ended"
        self._callbacks: list[Callable[[], None]] = []

    def when_gone(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def end(self) -> None:
        self.ended = True
        for callback in self._callbacks:
            callback()

    async def close(self) -> None:
        self.closed = True
        self.end()


class Starts:
    """Starts sessions, after the first `failing` attempts, and remembers when."""

    def __init__(self, failing: int = 0) -> None:
        self._failing = failing
        self.times: list[float] = []
        self.made: list[Started] = []

    async def __call__(self) -> Session:
        self.times.append(time.monotonic())
        if len(self.times) <= self._failing:
            raise Unavailable("No process could be started: out of memory.")
        self.made.append(Started())
        return cast(Session, self.made[-1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_sessions, "_PAUSE_SECONDS", PAUSE)
    monkeypatch.setattr(warm_sessions, "_LONGEST_PAUSE_SECONDS", 8 * PAUSE)


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def test_failing_to_start_is_tried_again_later_and_later() -> None:
    async def scene() -> None:
        starts = Starts(failing=5)
        warm = WarmSessions(starts, 1)
        warm.begin()
        await until(lambda: len(starts.made) == 1)
        for gap, pauses in zip(gaps(starts.times), [2, 4, 8, 8, 8], strict=True):
            assert gap >= pauses * PAUSE * 0.99
        await warm.stop()
        assert starts.made[0].closed

    run(scene)


def test_what_ends_at_once_again_and_again_is_replaced_later_and_later() -> None:
    async def scene() -> None:
        starts = Starts()
        warm = WarmSessions(starts, 1)
        warm.begin()
        ended = []
        for number in range(1, 5):
            await until(lambda number=number: len(starts.made) == number)  # type: ignore[misc]
            ended.append(time.monotonic())
            starts.made[-1].end()
        await until(lambda: len(starts.made) == 5)
        for since, started, pauses in zip(ended, starts.times[1:], [2, 4, 8, 8], strict=True):
            assert started - since >= pauses * PAUSE * 0.99
        assert await warm.take() is cast(object, starts.made[4])
        await warm.stop()
        assert not starts.made[4].closed

    run(scene)


def test_a_start_waits_for_who_has_just_taken_one() -> None:
    async def scene() -> None:
        starts = Starts()
        warm = WarmSessions(starts, 2)
        warm.begin()
        await until(lambda: len(starts.made) == 2)
        first, second = await warm.take(), await warm.take()
        taken = time.monotonic()
        assert [first, second] == starts.made
        await until(lambda: len(starts.made) == 4)
        assert starts.times[2] - taken >= PAUSE * 0.99
        await warm.stop()

    run(scene)


def test_without_a_ready_one_it_is_started_now() -> None:
    async def scene() -> None:
        starts = Starts()
        warm = WarmSessions(starts, 0)
        warm.begin()
        assert await warm.take() is cast(object, starts.made[0])
        starts = Starts(failing=1)
        refused: Awaitable[Session] = WarmSessions(starts, 1).take()
        with pytest.raises(Unavailable, match="out of memory"):
            await refused
        await warm.stop()

    run(scene)


def test_one_that_has_ended_unnoticed_is_not_handed_out() -> None:
    async def scene() -> None:
        starts = Starts()
        warm = WarmSessions(starts, 1)
        warm.begin()
        await until(lambda: len(starts.made) == 1)
        starts.made[0].ended = True
        assert await warm.take() is cast(object, starts.made[1])
        await warm.stop()

    run(scene)
