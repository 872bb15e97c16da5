"""The change feed: what is created, changed and removed on this web node, told to those who may see it.

Changes are kept once for all listeners, each of whom has only a place in them. What a listener is too slow for, or was
away for too long, is told with a `reset`: list again, and go on from there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import orjson

from jupyter_deployr.protocol.errors import Unavailable
from jupyter_deployr.webnode.store import StoredSnapshot, StoredVersion
from jupyter_deployr.webnode.times import creation_time

KEPT = 1000
MAX_LISTENERS = 1000


class Change(StrEnum):
    """What has happened."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class _Event:
    """One change as it travels; `owner` None is everybody's."""

    owner: str | None
    subject: tuple[str, ...]
    text: bytes


class ChangeFeed:
    """Keeps the latest changes, and wakes who listens. To be used on the event loop's thread only.

    Who checks a listener's token holds `checking` meanwhile.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._epoch = secrets.token_hex(6)
        self._serial = 0
        self._lost = 0
        self._events: dict[int, _Event] = {}
        # A later change of the same thing takes the place of an earlier one: a busy session drives nothing else out.
        self._changed: dict[tuple[str, ...], int] = {}
        self._listeners: set[Listener] = set()
        self._closed = False
        self.checking = asyncio.Lock()

    # ------------------------------------------------------------------------------------------------- telling

    def service(self, change: Change, stored: StoredVersion) -> None:
        """Tell everybody of a version."""
        named = {"name": stored.name, "version": stored.version, "owner": stored.published_by}
        self._tell(None, change, "service", (stored.name, stored.version), named)

    def session(self, change: Change, identity: str, name: str, owner: str, **more: str) -> None:
        """Tell its owner of a session: its `state`, or the `reason` of an end that they haven't asked for."""
        self._tell(owner, change, "session", (identity,), {"id": identity, "name": name, "owner": owner, **more})

    def snapshot(self, change: Change, stored: StoredSnapshot) -> None:
        """Tell its owner of a snapshot."""
        named = {"id": stored.id, "name": stored.name, "owner": stored.owner}
        self._tell(stored.owner, change, "snapshot", (stored.id,), named)

    def _tell(
        self, owner: str | None, change: Change, kind: str, key: tuple[str, ...], named: Mapping[str, str | None]
    ) -> None:
        if self._closed:
            return
        subject = (kind, *key)
        earlier = self._changed.pop(subject, None)
        if change is Change.CHANGED:
            if earlier is not None:
                del self._events[earlier]
            self._changed[subject] = self._serial + 1
        self._serial += 1
        data = {"kind": kind, "change": change, "time": creation_time(time.time()), **named}
        self._events[self._serial] = _Event(owner, subject, _message(self._cursor, kind, data))
        while len(self._events) > self._kept:
            self._lost = next(iter(self._events))
            oldest = self._events.pop(self._lost)
            if self._changed.get(oldest.subject) == self._lost:
                del self._changed[oldest.subject]
        for listener in self._listeners:
            if owner is None or owner == listener.name:
                listener.wake()

    # ----------------------------------------------------------------------------------------------- listening

    @property
    def _cursor(self) -> str:
        return f"{self._epoch}-{self._serial}"

    @property
    def closed(self) -> bool:
        """Whether nothing more will be told."""
        return self._closed

    def check_place(self) -> None:
        """Raises Unavailable when nobody else may listen."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise Unavailable(f"{MAX_LISTENERS} clients follow the changes already; try again later.")

    def listen(self, name: str, cursor: str | None) -> Listener:
        """What `name` may see, from after a cursor; to be used in a `with`."""
        return Listener(self, name, self._place(cursor))

    def _place(self, cursor: str | None) -> int | None:
        """The serial that a cursor of this feed stands for; None when it is another's, or none at all."""
        epoch, _, serial = (cursor or "").rpartition("-")
        if epoch != self._epoch or not (serial.isascii() and serial.isdigit() and len(serial) < 20):
            return None
        return int(serial) if int(serial) <= self._serial else None

    def add(self, listener: Listener) -> None:
        """Wake that listener from now on."""
        self._listeners.add(listener)

    def discard(self, listener: Listener) -> None:
        """Don't, any more."""
        self._listeners.discard(listener)

    def after(self, name: str, place: int | None) -> tuple[list[bytes], int]:
        """The messages for `name` from after a place, and the place that they lead to."""
        if place is None or place < self._lost:
            data = {"kind": "reset", "time": creation_time(time.time())}
            return [_message(self._cursor, "reset", data)], self._serial
        found = []
        for serial, event in reversed(self._events.items()):
            if serial <= place:
                break
            if event.owner is None or event.owner == name:
                found.append(event.text)
        return found[::-1], self._serial

    def close(self) -> None:
        """Let all listeners end, so that nobody waits for them."""
        self._closed = True
        for listener in self._listeners:
            listener.wake()


class Listener:
    """One who listens, and the place up to which they have been told."""

    def __init__(self, feed: ChangeFeed, name: str, place: int | None) -> None:
        self.name = name
        self._feed = feed
        self._place = place
        self._news = asyncio.Event()
        self._news.set()

    def __enter__(self) -> Listener:
        self._feed.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._feed.discard(self)

    def wake(self) -> None:
        """There may be something to tell."""
        self._news.set()

    async def messages(self, seconds: float) -> list[bytes]:
        """What is to be told, at once or as soon as there is something; nothing when there isn't for `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()
        found, self._place = self._feed.after(self.name, self._place)
        return found


def _message(cursor: str, event: str, data: Mapping[str, str | None]) -> bytes:
    """A server-sent event."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (cursor.encode(), event.encode(), orjson.dumps(data))
