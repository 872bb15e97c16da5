"""Publishing of realtime services, among the services management APIs: not offered yet, and said so."""

from __future__ import annotations

from typing import Any, NoReturn

from fastapi import APIRouter

from jupyter_deployr.protocol.errors import Forbidden, NotImplementedHere
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.auth import Principal
from jupyter_deployr.webnode.context import Caller
from jupyter_deployr.webnode.json_bodies import JsonRoute

router = APIRouter(route_class=JsonRoute, prefix="/realtime-services", tags=["Services Management APIs"])


def _form(*required: str) -> dict[str, Any]:
    """The form of the published description; it is not read here, so no route declares it."""
    properties = {
        "description": {"type": "string"},
        "operationId": {"type": "string"},
        "model": {"type": "string", "format": "binary"},
    }
    schema = {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _refuse(caller: Principal) -> NoReturn:
    if not caller.may_publish:
        raise Forbidden(f"The role {caller.role} may not publish services.")
    raise NotImplementedHere(
        "This server can't publish realtime services yet. Publish the model as a standard service: put it into a "
        "session, and publish a snapshot of that session with the code that scores it."
    )


@router.post(
    "/{name}",
    operation_id="publishRealtimeWebServiceByName",
    status_code=201,
    responses=failing(403, 501),
    openapi_extra=_form("model"),
)
async def publish_realtime_web_service_by_name(name: str, caller: Caller) -> str:
    """Publish a serialized model under a GUID as the version. Not offered yet."""
    _refuse(caller)


@router.post(
    "/{name}/{version}",
    operation_id="publishRealtimeWebServiceByNameVersion",
    status_code=201,
    responses=failing(403, 501),
    openapi_extra=_form("model"),
)
async def publish_realtime_web_service_by_name_version(name: str, version: str, caller: Caller) -> str:
    """Publish a serialized model. Not offered yet."""
    _refuse(caller)


@router.patch(
    "/{name}/{version}",
    operation_id="patchRealtimeWebServiceByNameVersion",
    responses=failing(403, 501),
    openapi_extra=_form(),
)
async def patch_realtime_web_service_by_name_version(name: str, version: str, caller: Caller) -> str:
    """Change a realtime service. Not offered yet."""
    _refuse(caller)
