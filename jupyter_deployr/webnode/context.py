"""What the routes work with: the parts of this web node, and who is calling."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from jupyter_deployr.computenode import ComputeNode
from jupyter_deployr.webnode.access_log import USER_IN_SCOPE
from jupyter_deployr.webnode.auth import Logins, Principal, Tokens
from jupyter_deployr.webnode.batches import Batches
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.events import ChangeFeed
from jupyter_deployr.webnode.live_sessions import LiveSessions
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.snapshots import SnapshotLibrary


@dataclass(frozen=True)
class WebNode:
    """The parts of one web node."""

    settings: Settings
    logins: Logins
    tokens: Tokens
    catalog: Catalog
    snapshots: SnapshotLibrary
    sessions: LiveSessions
    batches: Batches
    compute: ComputeNode
    feed: ChangeFeed


def _node(request: Request) -> WebNode:
    node: WebNode = request.app.state.node
    return node


# It is here to be seen in the documents: `authenticate` reads the header itself, and verifies it.
_Bearer = Annotated[object, Security(HTTPBearer(scheme_name="Bearer", bearerFormat="JWT", auto_error=False))]


async def authenticate(request: Request) -> Principal:
    """Who is calling, by the access token. Raises Unauthorized."""
    header = request.headers.get("authorization", "").encode("latin-1")
    tokens = _node(request).tokens
    principal = tokens.verified(header)
    if principal is None:
        principal = await asyncio.to_thread(tokens.verify, header)
    request.scope[USER_IN_SCOPE] = principal.name
    return principal


async def caller(request: Request, _: _Bearer) -> Principal:
    """`authenticate`, as what a route depends on."""
    return await authenticate(request)


Node = Annotated[WebNode, Depends(_node)]
Caller = Annotated[Principal, Depends(caller)]
