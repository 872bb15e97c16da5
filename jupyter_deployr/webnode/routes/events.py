"""The change feed, among the status APIs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from jupyter_deployr.protocol.errors import DeployRError
from jupyter_deployr.webnode.answers import file
from jupyter_deployr.webnode.auth import Tokens
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.events import ChangeFeed

router = APIRouter(tags=["Status APIs"])

_EVENTS = "text/event-stream"
# Proxies cut what is silent for a minute; a token that isn't valid any more is noticed as late as this.
_KEEP_ALIVE_SECONDS = 5.0
_KEEP_ALIVE = b":\n\n"


@router.get(
    "/events",
    operation_id="followChanges",
    response_class=StreamingResponse,
    responses=file(_EVENTS, "The changes, as they happen."),
)
async def follow_changes(
    request: Request,
    node: Node,
    caller: Caller,
    after: Annotated[str | None, Query(description="The id of the last event that is known already.")] = None,
    last_event_id: Annotated[str | None, Header(description="The same; it counts before `after`.")] = None,
) -> StreamingResponse:
    """Services, sessions and snapshots that are created, changed and removed, as server-sent events, without an end.

    The data of an event is an object of `kind` (`service`, `session`, `snapshot`), `change` (`created`, `changed`,
    `removed`), `time`, `owner` and what names the thing. Without an id to go on from, or when it is too old or of
    before a restart, the first event is a `reset`: list what you show, and go on from there. The response ends with
    the validity of the access token, and when the server stops.
    """
    node.feed.check_place()
    authorization = request.headers.get("authorization", "").encode("latin-1")
    told = _told(node.feed, node.tokens, authorization, caller.name, last_event_id or after)
    # Asks proxies of the nginx family not to hold events back.
    return StreamingResponse(told, media_type=_EVENTS, headers={"X-Accel-Buffering": "no"})


async def _told(
    feed: ChangeFeed, tokens: Tokens, authorization: bytes, name: str, cursor: str | None
) -> AsyncIterator[bytes]:
    with feed.listen(name, cursor) as listener:
        while not feed.closed:
            messages = await listener.messages(_KEEP_ALIVE_SECONDS)
            if feed.closed or not await _valid(feed, tokens, authorization):
                return
            yield b"".join(messages) or _KEEP_ALIVE


async def _valid(feed: ChangeFeed, tokens: Tokens, authorization: bytes) -> bool:
    if tokens.verified(authorization) is not None:
        return True
    # One at a time: a database that doesn't answer must not keep all threads busy with listeners.
    async with feed.checking:
        if tokens.verified(authorization) is not None:
            return True
        try:
            await asyncio.to_thread(tokens.verify, authorization)
        except DeployRError:
            return False
    return True
