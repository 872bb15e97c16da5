"""Objects of a session's workspace, among the session APIs. They travel as dill bytes, which only sessions read."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from jupyter_deployr.protocol.downgrade import BODY_NAME
from jupyter_deployr.protocol.errors import BadRequest, UnsupportedMediaType
from jupyter_deployr.protocol.parameters import check_name
from jupyter_deployr.webnode.answers import failing, file
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.downloads import FileContent

router = APIRouter(prefix="/sessions/{id}/workspace", tags=["Session APIs"])

_OCTETS = "application/octet-stream"
_BYTES: dict[str, Any] = {
    "requestBody": {
        BODY_NAME: "serializedObject",
        "required": True,
        "description": "The dill bytes of the object.",
        "content": {_OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("", operation_id="listWorkspaceObjects", responses=failing(403, 404, 410, 504))
async def list_workspace_objects(id: str, node: Node, caller: Caller) -> list[str]:  # noqa: A002
    """The names of the workspace's objects. Also while the session executes."""
    return await node.sessions.get(caller, id).session.objects()


@router.post(
    "/{objectName}",
    operation_id="setWorkspaceObject",
    response_class=Response,
    responses=failing(403, 404, 409, 410),
    openapi_extra=_BYTES,
)
async def set_workspace_object(
    id: str,  # noqa: A002
    objectName: str,  # noqa: N803
    request: Request,
    node: Node,
    caller: Caller,
) -> Response:
    """Define an object by its dill bytes."""
    session = node.sessions.get(caller, id).session
    check_name(objectName)
    kind = request.headers.get("content-type", _OCTETS).partition(";")[0].strip().lower()
    if kind not in ("", _OCTETS):
        raise UnsupportedMediaType(f"Send the dill bytes of the object as {_OCTETS}.")
    draft = await session.draft()
    try:
        async for piece in request.stream():
            await asyncio.to_thread(draft.write, piece)
        await session.set_object(objectName, draft)
    except ClientDisconnect:
        raise BadRequest("The upload broke off; nothing was changed.") from None
    finally:
        await asyncio.to_thread(draft.discard)
    return Response()


@router.get(
    "/{objectName}",
    operation_id="getWorkspaceObject",
    response_class=StreamingResponse,
    responses=file(_OCTETS, "The dill bytes of the object.") | failing(403, 404, 409, 410),
)
async def get_workspace_object(id: str, objectName: str, node: Node, caller: Caller) -> Response:  # noqa: A002, N803
    """An object as dill bytes."""
    content = await node.sessions.get(caller, id).session.open_object(objectName)
    return FileContent(content, f"{objectName}.dill")


@router.delete(
    "/{objectName}",
    operation_id="deleteWorkspaceObject",
    response_class=Response,
    responses=failing(403, 404, 409, 410),
)
async def delete_workspace_object(id: str, objectName: str, node: Node, caller: Caller) -> Response:  # noqa: A002, N803
    """Delete an object."""
    await node.sessions.get(caller, id).session.delete_object(objectName)
    return Response()
