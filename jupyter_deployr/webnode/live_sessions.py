"""The live sessions of each user."""

from __future__ import annotations

import asyncio
import random
import string
import uuid
from dataclasses import dataclass

from jupyter_deployr.computenode import ComputeNode, Session
from jupyter_deployr.protocol.errors import BadRequest, Gone, NotFound, Unavailable
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.snapshots import SnapshotLibrary


@dataclass(frozen=True)
class LiveSession:
    """A session and whose it is."""

    id: str
    name: str
    owner: str
    session: Session


class LiveSessions:
    """Opens, finds and closes sessions. Somebody else's counts as absent."""

    def __init__(self, node: ComputeNode, snapshots: SnapshotLibrary, limit: int) -> None:
        self._node = node
        self._snapshots = snapshots
        self._limit = limit
        self._sessions: dict[str, LiveSession] = {}
        self._opening = 0

    async def open(
        self, principal: Principal, name: str | None, snapshot_id: str | None, runtime: str | None
    ) -> LiveSession:
        """A new session, with a snapshot loaded if one is named. Raises BadRequest, NotFound, Unavailable."""
        if runtime not in (None, "Python"):
            raise BadRequest(
                f"The runtime type {runtime!r} is not offered by this server: it runs Python.", fields=["runtimeType"]
            )
        snapshot = await self._snapshots.get(principal, snapshot_id) if snapshot_id else None
        if sum(not live.session.ended for live in self._sessions.values()) + self._opening >= self._limit:
            raise Unavailable(f"All {self._limit} sessions are taken; close one and try again.")
        self._opening += 1
        try:
            session = await self._node.open_session()
        finally:
            self._opening -= 1
        live = LiveSession(str(uuid.uuid4()), name or _random_name(), principal.name, session)
        if snapshot is not None:
            try:
                with self._snapshots.pinned(snapshot.digest):
                    await session.load(self._snapshots.path(snapshot.digest))
            except BaseException:
                await session.close()
                raise
        self._sessions[live.id] = live
        return live

    def of(self, principal: Principal) -> list[LiveSession]:
        """The user's live sessions, oldest first."""
        return [live for live in self._sessions.values() if live.owner == principal.name and not live.session.ended]

    def get(self, principal: Principal, identity: str) -> LiveSession:
        """One of the user's sessions. Raises NotFound, or Gone when it was live and has died."""
        live = self._find(principal, identity)
        if live.session.ended:
            raise Gone("The session has ended; its variables and files are lost. Create a new session.")
        return live

    async def close(self, principal: Principal, identity: str) -> None:
        """End a session and forget it. Raises NotFound."""
        live = self._find(principal, identity)
        del self._sessions[live.id]
        await live.session.close()

    async def close_all(self) -> None:
        """End every session."""
        await asyncio.gather(*(live.session.close() for live in self._sessions.values()))
        self._sessions.clear()

    def _find(self, principal: Principal, identity: str) -> LiveSession:
        live = self._sessions.get(identity)
        if live is None or live.owner != principal.name:
            raise NotFound("There is no session of that id.")
        return live


def _random_name() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=15))  # noqa: S311 - a name, not a secret
