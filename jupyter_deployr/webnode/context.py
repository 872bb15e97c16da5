"""What the routes work with: the parts of this web node, and who is calling."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from jupyter_deployr.computenode import ComputeNode
from jupyter_deployr.webnode.auth import LocalAccounts, Principal, Tokens
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.live_sessions import LiveSessions
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.snapshots import SnapshotLibrary


@dataclass(frozen=True)
class WebNode:
    """The parts of one web node."""

    settings: Settings
    accounts: LocalAccounts
    tokens: Tokens
    catalog: Catalog
    snapshots: SnapshotLibrary
    sessions: LiveSessions
    compute: ComputeNode


def _node(request: Request) -> WebNode:
    node: WebNode = request.app.state.node
    return node


async def _caller(request: Request) -> Principal:
    header = request.headers.get("authorization", "").encode("latin-1")
    tokens = _node(request).tokens
    known = tokens.verified(header)
    return known if known is not None else await asyncio.to_thread(tokens.verify, header)


Node = Annotated[WebNode, Depends(_node)]
Caller = Annotated[Principal, Depends(_caller)]
