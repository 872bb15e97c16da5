"""The bounds of the change feed: how much it keeps, and who is too slow for it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_deployr.protocol.errors import Unavailable
from jupyter_deployr.webnode import events
from jupyter_deployr.webnode.events import Change, ChangeFeed, Listener


def told(messages: list[bytes]) -> list[Any]:
    """What each message is about: the id of a session and its change, or `reset`."""
    found = []
    for message in messages:
        data = json.loads(message.decode().partition("data: ")[2])
        found.append((data["id"], data.get("state") or data["change"]) if "id" in data else data["kind"])
    return found


async def hear(listener: Listener) -> list[Any]:
    return told(await listener.messages(0.01))


def test_a_listener_who_is_too_slow_begins_anew() -> None:
    async def scene() -> None:
        feed = ChangeFeed(kept=3)
        with feed.listen("ann", None) as listener:
            assert await hear(listener) == ["reset"]
            for identity in "abc":
                feed.session(Change.CREATED, identity, "", "ann")
            assert await hear(listener) == [("a", "created"), ("b", "created"), ("c", "created")]
            for identity in "abcd":
                feed.session(Change.REMOVED, identity, "", "ann")
            assert await hear(listener) == ["reset"]
            assert await hear(listener) == []
            feed.session(Change.CREATED, "e", "", "ann")
            assert await hear(listener) == [("e", "created")]

    asyncio.run(scene())


def test_others_changes_push_a_listener_out_too() -> None:
    async def scene() -> None:
        feed = ChangeFeed(kept=3)
        with feed.listen("ann", None) as listener:
            await hear(listener)
            for identity in "abcd":
                feed.session(Change.CREATED, identity, "", "bob")
            # Something may have been among them.
            assert await hear(listener) == ["reset"]

    asyncio.run(scene())


def test_later_changes_of_a_thing_take_the_place_of_earlier_ones() -> None:
    async def scene() -> None:
        feed = ChangeFeed(kept=3)
        with feed.listen("ann", None) as listener:
            await hear(listener)
            feed.session(Change.CREATED, "a", "", "ann")
            for _ in range(50):
                for state in ("busy", "idle"):
                    feed.session(Change.CHANGED, "a", "", "ann", state=state)
            feed.session(Change.CREATED, "b", "", "ann")
            assert await hear(listener) == [("a", "created"), ("a", "idle"), ("b", "created")]

    asyncio.run(scene())


def test_a_listener_is_woken_by_what_they_may_see_only() -> None:
    async def scene() -> None:
        feed = ChangeFeed()
        with feed.listen("ann", None) as listener:
            await hear(listener)
            waiting = asyncio.create_task(listener.messages(30))
            await asyncio.sleep(0)
            feed.session(Change.CREATED, "b", "", "bob")
            for _ in range(3):
                await asyncio.sleep(0)
            assert not waiting.done()
            feed.session(Change.CREATED, "a", "", "ann")
            assert told(await waiting) == [("a", "created")]

    asyncio.run(scene())


def test_the_end_wakes_who_waits() -> None:
    async def scene() -> None:
        feed = ChangeFeed()
        with feed.listen("ann", None) as listener:
            await hear(listener)
            waiting = asyncio.create_task(listener.messages(30))
            await asyncio.sleep(0)
            feed.close()
            assert await asyncio.wait_for(waiting, 5) == []
            assert feed.closed

    asyncio.run(scene())


def test_so_many_may_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_LISTENERS", 2)

    async def scene() -> None:
        feed = ChangeFeed()
        with feed.listen("ann", None):
            feed.check_place()
            with feed.listen("bob", None), pytest.raises(Unavailable):
                feed.check_place()
            feed.check_place()

    asyncio.run(scene())
