"""Centralized configuration APIs: the compute nodes. There is one, which the server starts and ends by itself."""

from __future__ import annotations

from fastapi import APIRouter, Response

from jupyter_deployr.protocol.errors import BadRequest, Forbidden
from jupyter_deployr.protocol.models import GetComputeNodesResponse, UpdateComputeNodesRequest
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.context import Caller, Node, WebNode
from jupyter_deployr.webnode.json_bodies import JsonRoute

router = APIRouter(route_class=JsonRoute, prefix="/computenodes", tags=["Centralized Configuration APIs"])


@router.get("", operation_id="getComputeNodes")
async def get_compute_nodes(node: Node, caller: Caller) -> GetComputeNodesResponse:
    """The endpoints of the compute nodes."""
    return GetComputeNodesResponse([node.compute.endpoint])


@router.post("", operation_id="setComputeNodes", response_class=Response, responses=failing(403))
async def set_compute_nodes(entries: UpdateComputeNodesRequest, node: Node, caller: Caller) -> Response:
    """Replace the list of compute nodes; only the list that is there is taken."""
    return _unchanged(caller, entries, node)


@router.put("", operation_id="addComputeNode", response_class=Response, responses=failing(403))
async def add_compute_node(entries: UpdateComputeNodesRequest, node: Node, caller: Caller) -> Response:
    """Add compute nodes; only those that are there already are taken."""
    return _unchanged(caller, entries, node)


@router.delete("", operation_id="removeComputeNode", response_class=Response, responses=failing(403))
async def remove_compute_node(entries: UpdateComputeNodesRequest, node: Node, caller: Caller) -> Response:
    """Remove compute nodes; always refused, since a server has one that is its own."""
    asked = _asked(caller, entries)
    known = node.compute.endpoint
    if known in asked:
        raise BadRequest(f"{known!r} is the only compute node of this server and can't be removed.", fields=["entries"])
    raise BadRequest(f"{asked[0]!r} is no compute node of this server; it has {known!r} only.", fields=["entries"])


def _unchanged(caller: Principal, entries: UpdateComputeNodesRequest, node: WebNode) -> Response:
    known = node.compute.endpoint
    others = [entry for entry in _asked(caller, entries) if entry != known]
    if others:
        raise BadRequest(
            f"This server runs code on its own machine only, in the compute node {known!r}; not on {others[0]!r}.",
            fields=["entries"],
        )
    return Response()


def _asked(caller: Principal, entries: UpdateComputeNodesRequest) -> list[str]:
    if not caller.administers:
        raise Forbidden(f"The role {caller.role} may not change the compute nodes.")
    if not entries.entries:
        raise BadRequest("The request names no compute node.", fields=["entries"])
    return entries.entries
