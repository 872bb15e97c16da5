"""The live sessions of each user, and what became of those that were."""

from __future__ import annotations

import asyncio
import logging
import random
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_deployr.computenode import ComputeNode, Session
from jupyter_deployr.protocol.errors import BadRequest, Forbidden, Gone, NotFound, Unavailable
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.events import Change, ChangeFeed
from jupyter_deployr.webnode.snapshots import SnapshotLibrary

_log = logging.getLogger(__name__)

# Of so many sessions that ended by themselves it is known that they did; the ids of older ones are unknown.
_REMEMBERED = 1000
# Idle sessions are looked for this many times in the time that they may be idle, but at least once a minute.
_LOOKS = 8
_LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class LiveSession:
    """A session and whose it is, how the packages here differ from those of the snapshot that it began with, and what
    uses it, in the words of its client."""

    id: str
    name: str
    owner: str
    session: Session
    differences: Sequence[str] = ()
    client: str | None = None


@dataclass(frozen=True)
class _Ended:
    """What is kept of a session that ended without being closed by its owner."""

    owner: str
    reason: str


class LiveSessions:
    """Opens, finds and closes sessions. Somebody else's counts as absent."""

    def __init__(
        self, node: ComputeNode, snapshots: SnapshotLibrary, feed: ChangeFeed, limit: int, idle_seconds: int
    ) -> None:
        """At most `limit` sessions are live; one without a request for `idle_seconds` is closed, with 0 none is."""
        self._node = node
        self._snapshots = snapshots
        self._feed = feed
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._sessions: dict[str, LiveSession] = {}
        self._ended: dict[str, _Ended] = {}
        self._taken = 0
        self._culling = asyncio.create_task(self._cull()) if idle_seconds else None

    async def open(
        self,
        principal: Principal,
        name: str | None,
        snapshot_id: str | None,
        runtime: str | None,
        client: str | None = None,
    ) -> LiveSession:
        """A new session, with a snapshot loaded if one is named.

        Raises Forbidden, BadRequest, NotFound, Unavailable, StorageFull, ServerFault when the snapshot is damaged.
        """
        _check_role(principal)
        if runtime not in (None, "Python"):
            raise BadRequest(
                f"The runtime type {runtime!r} is not offered by this server: it runs Python.", fields=["runtimeType"]
            )
        snapshot = await self._snapshots.get(principal, snapshot_id) if snapshot_id else None
        session = await self._open()
        differences = [] if snapshot is None else self._node.differences(snapshot.manifest)
        live = LiveSession(str(uuid.uuid4()), name or _random_name(), principal.name, session, differences, client)
        if snapshot is not None:
            try:
                async with self._snapshots.held(principal, snapshot.id):
                    await session.load(self._snapshots.path(snapshot.digest))
            except BaseException:
                await session.close()
                raise
        session.touch()
        self._sessions[live.id] = live
        self._feed.session(Change.CREATED, live.id, live.name, live.owner)
        session.when_gone(lambda: self._bury(live))
        return live

    async def _open(self) -> Session:
        """A session on one of the places, which is given back when the session is gone. Raises Unavailable."""
        if self._taken >= self._limit:
            raise Unavailable(f"All {self._limit} sessions are taken; close one and try again.")
        self._taken += 1
        try:
            session = await self._node.open_session()
        except BaseException:
            self._give_back()
            raise
        session.when_gone(self._give_back)
        return session

    def _give_back(self) -> None:
        self._taken -= 1

    def all(self) -> list[LiveSession]:
        """Every live session."""
        return list(self._sessions.values())

    def of(self, principal: Principal) -> list[LiveSession]:
        """The user's live sessions, oldest first."""
        return [live for live in self._sessions.values() if live.owner == principal.name and not live.session.ended]

    def get(self, principal: Principal, identity: str) -> LiveSession:
        """As `look`; the session counts as used by this."""
        live = self.look(principal, identity)
        live.session.touch()
        return live

    def look(self, principal: Principal, identity: str) -> LiveSession:
        """One of the user's sessions.

        Raises NotFound, Forbidden to whom the role doesn't allow sessions (any more), or Gone when it was live and has
        died or was closed for want of use.
        """
        _check_role(principal)
        ended = self._ended.get(identity)
        if ended is not None and ended.owner == principal.name:
            raise Gone(ended.reason)
        live = self._find(principal, identity)
        if live.session.ended:
            raise live.session.gone()
        return live

    async def close(self, principal: Principal, identity: str) -> None:
        """End a session and forget it, or forget what became of it. Raises NotFound."""
        ended = self._ended.get(identity)
        if ended is not None and ended.owner == principal.name:
            del self._ended[identity]
            return
        live = self._find(principal, identity)
        del self._sessions[live.id]
        self._feed.session(Change.REMOVED, live.id, live.name, live.owner)
        await live.session.close()

    async def close_all(self) -> None:
        """End every session."""
        if self._culling is not None:
            self._culling.cancel()
        await asyncio.gather(*(live.session.close() for live in self._sessions.values()))
        self._sessions.clear()

    def _find(self, principal: Principal, identity: str) -> LiveSession:
        live = self._sessions.get(identity)
        if live is None or live.owner != principal.name:
            raise NotFound("There is no session of that id.")
        return live

    def _bury(self, live: LiveSession) -> None:
        """Remember how a session ended, if its owner hasn't closed it."""
        if self._sessions.pop(live.id, None) is None:
            return
        reason = live.session.gone().message
        self._feed.session(Change.REMOVED, live.id, live.name, live.owner, reason=reason)
        self._ended[live.id] = _Ended(live.owner, reason)
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    async def _cull(self) -> None:
        while True:
            await asyncio.sleep(min(self._idle_seconds / _LOOKS, _LONGEST_PAUSE_SECONDS))
            idle = [live for live in self._sessions.values() if live.session.idle_seconds >= self._idle_seconds]
            how = f"was closed after {_duration(self._idle_seconds)} without use"
            for live in idle:
                _log.info("session %s %s", live.id, how)
            await asyncio.gather(*(live.session.close(how) for live in idle), return_exceptions=True)


def _check_role(principal: Principal) -> None:
    if not principal.may_run_code:
        raise Forbidden(f"The role {principal.role} may not run code in sessions.")


def _duration(seconds: int) -> str:
    """Seconds in the largest unit that divides them: 86,400 are "24 hours"."""
    units = {"hour": 3600, "minute": 60, "second": 1}
    unit = next(unit for unit, length in units.items() if seconds % length == 0)
    count = seconds // units[unit]
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _random_name() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=15))  # noqa: S311 - a name, not a secret
