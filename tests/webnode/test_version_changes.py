"""Changes of one version: one at a time, and the next one waits until it is known how the last one ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from jupyter_deployr.protocol.errors import Conflict, Unavailable
from jupyter_deployr.webnode import version_changes
from jupyter_deployr.webnode.version_changes import VersionChanges

KEY, OTHER = ("Iris", "V1"), ("Iris", "V2")


async def _fail(changes: VersionChanges) -> None:
    with pytest.raises(Unavailable, match="lost"):
        async with changes.one(KEY):
            raise Unavailable("The word of it was lost.")


def _scene(play: Callable[[VersionChanges, asyncio.Event], Awaitable[None]]) -> None:
    """Changes whose end is known when the event is set."""

    async def scene() -> None:
        known = asyncio.Event()

        async def settle() -> None:
            await known.wait()

        await play(VersionChanges(lambda _: asyncio.create_task(settle())), known)

    asyncio.run(scene())


def test_a_second_change_at_the_same_time_is_a_conflict() -> None:
    async def play(changes: VersionChanges, known: asyncio.Event) -> None:
        async with changes.one(KEY), changes.one(OTHER):
            with pytest.raises(Conflict, match="Iris V1 is being changed"):
                async with changes.one(KEY):
                    pytest.fail("two at once")
        async with changes.one(KEY):
            pass

    _scene(play)


def test_the_next_change_waits_until_the_last_one_is_settled() -> None:
    async def play(changes: VersionChanges, known: asyncio.Event) -> None:
        await _fail(changes)

        async def change() -> None:
            async with changes.one(KEY):
                assert known.is_set()

        async with changes.one(OTHER):
            waiting = [asyncio.create_task(change()) for _ in range(2)]
        await asyncio.wait(waiting, timeout=0.05)
        assert not any(task.done() for task in waiting)
        known.set()
        await asyncio.gather(*waiting)

    _scene(play)


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_changes, "_SETTLE_SECONDS", 0.05)

    async def play(changes: VersionChanges, known: asyncio.Event) -> None:
        await _fail(changes)
        for _ in range(2):
            with pytest.raises(Unavailable, match="how the last change of Iris V1 ended"):
                async with changes.one(KEY):
                    pytest.fail("nobody knows yet")
        known.set()
        async with changes.one(KEY):
            pass

    _scene(play)
