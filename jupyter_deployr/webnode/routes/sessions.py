"""Session APIs."""

from __future__ import annotations

import time

from fastapi import APIRouter

from jupyter_deployr.protocol.models import CreateSessionRequest, CreateSessionResponse, Session, SessionDetails
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.json_bodies import JsonRoute
from jupyter_deployr.webnode.times import creation_time

router = APIRouter(route_class=JsonRoute, prefix="/sessions", tags=["Session APIs"])


@router.post(
    "",
    operation_id="createSession",
    responses=failing(403, 404, 502),
    status_code=201,
    response_model_exclude_defaults=True,
)
async def create_session(
    node: Node, caller: Caller, create_session_request: CreateSessionRequest | None = None
) -> CreateSessionResponse:
    """Start a session, with a snapshot loaded if one is named."""
    asked = create_session_request or CreateSessionRequest()
    live = await node.sessions.open(caller, asked.name, asked.snapshot_id, asked.runtime_type, asked.client)
    return CreateSessionResponse(live.id, list(live.differences))


@router.get("", operation_id="listSessions")
async def list_sessions(node: Node, caller: Caller) -> list[Session]:
    """The caller's live sessions."""
    return [Session(live.id, live.name, live.owner, "Python") for live in node.sessions.of(caller)]


@router.get("/{id}", operation_id="getSession", responses=failing(403, 404, 410))
async def get_session(id: str, node: Node, caller: Caller) -> SessionDetails:  # noqa: A002
    """What a session is and does. This doesn't count as using it."""
    live = node.sessions.look(caller, id)
    session = live.session
    since = session.executing_since
    return SessionDetails(
        id=live.id,
        name=live.name,
        owner=live.owner,
        runtime_type="Python",
        state="busy" if session.busy else "idle",
        executing_since=None if since is None else creation_time(since),
        idle_since=None if session.busy else creation_time(time.time() - session.idle_seconds),
        memory=await session.memory(),
        client=live.client,
        python_version=(await node.compute.environment())["python"],
    )


@router.delete("/{id}", operation_id="closeSession", responses=failing(404, 410))
async def close_session(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """End a session."""
    await node.sessions.close(caller, id)
    return "The session has been closed."


@router.delete("/{id}/force", operation_id="closeSessionByForce", responses=failing(404, 410))
async def close_session_by_force(id: str, node: Node, caller: Caller) -> str:  # noqa: A002
    """End a session, also while it executes."""
    await node.sessions.close(caller, id)
    return "The session has been closed."
