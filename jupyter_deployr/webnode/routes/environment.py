"""What user code runs on, among the status APIs."""

from __future__ import annotations

from fastapi import APIRouter

from jupyter_deployr.protocol.models import Environment
from jupyter_deployr.webnode.context import Caller, Node

router = APIRouter(tags=["Status APIs"])


@router.get("/environment", operation_id="getEnvironment")
async def get_environment(node: Node, caller: Caller) -> Environment:
    """The Python of sessions and services, and the distributions installed for it."""
    found = await node.compute.environment()
    return Environment(found["python"], found["implementation"], found["platform"], found["distributions"])
