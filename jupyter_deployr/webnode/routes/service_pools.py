"""The pool of a version, among the services management APIs: how many of its workers run.

Every version has workers of its own, always as many as the server is set to, whatever sizes a request has: a pool can
only be started before the first call, and ended.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from jupyter_deployr.computenode import ServicePool
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import CreateOrUpdateServicePoolRequest, ServicePoolStatusResponse
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.json_bodies import JsonRoute

router = APIRouter(route_class=JsonRoute, prefix="/services/{name}/{version}/pool", tags=["Services Management APIs"])


@router.post("", operation_id="createOrUpdateServicePool", responses=failing(403, 404))
async def create_or_update_service_pool(
    name: str,
    version: str,
    create_or_update_service_pool_request: Annotated[CreateOrUpdateServicePoolRequest, Body()],
    node: Node,
    caller: Caller,
) -> str:
    """Start the workers of a version before its first call; `getServicePoolStatus` says when they run.

    There are as many as the server is set to; sizes are checked, but not applied yet.
    """
    pool = node.catalog.changeable(caller, (name, version)).pool
    _check_sizes(create_or_update_service_pool_request)
    pool.start_all()
    return f"The {pool.size} workers that each service has on this server are being started."


def _check_sizes(asked: CreateOrUpdateServicePoolRequest) -> None:
    initial, most = asked.initial_pool_size, asked.max_pool_size
    if initial is not None and initial < 0:
        raise BadRequest(f"InitialPoolSize must be 0 or more, not {initial}.", fields=["InitialPoolSize"])
    if most is not None and most < 1:
        raise BadRequest(f"MaxPoolSize must be 1 or more, not {most}.", fields=["MaxPoolSize"])
    if initial is not None and most is not None and initial > most:
        raise BadRequest(
            f"InitialPoolSize, {initial}, must not be above MaxPoolSize, {most}.",
            fields=["InitialPoolSize", "MaxPoolSize"],
        )


@router.get("", operation_id="getServicePoolStatus", responses=failing(404))
async def get_service_pool_status(
    name: str, version: str, node: Node, caller: Caller
) -> list[ServicePoolStatusResponse]:
    """Whether the workers of a version run, on each compute node."""
    return [ServicePoolStatusResponse(node.compute.endpoint, _status(node.catalog.get(name, version).pool))]


def _status(pool: ServicePool) -> str:
    if pool.workers >= pool.size:
        return "Success"
    return "Pending" if pool.starting else "NotFound"


@router.delete("", operation_id="deleteServicePool", responses=failing(403, 404, 409))
async def delete_service_pool(name: str, version: str, node: Node, caller: Caller) -> str:
    """Let the workers of a version end; its next call starts new ones."""
    await node.catalog.end_workers(caller, name, version)
    return "The workers of the service have been ended."
