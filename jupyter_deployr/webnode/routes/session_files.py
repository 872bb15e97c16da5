"""Files of a session's working directory, among the session APIs.

The list is flat: a file in a folder is `folder/name` in it, and its path has that as it is. Uploads go to the working
directory itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.convertors import PathConvertor, register_url_convertor

from jupyter_deployr.computenode import check_file_name
from jupyter_deployr.webnode.answers import failing, file
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.downloads import FileContent
from jupyter_deployr.webnode.form_file import FormFile

router = APIRouter(prefix="/sessions/{id}/files", tags=["Session APIs"])


class _FileNameConvertor(PathConvertor):
    """As a path, and a line break is a character like any other."""

    regex = "(?s:.*)"


register_url_convertor("file_name", _FileNameConvertor())

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    }
}


@router.post(
    "",
    operation_id="uploadSessionFile",
    status_code=201,
    response_class=Response,
    responses=failing(403, 404, 409, 410),
    openapi_extra=_FORM,
)
async def upload_session_file(id: str, request: Request, node: Node, caller: Caller) -> Response:  # noqa: A002
    """Put a file into the working directory, in place of one that has its name."""
    session = node.sessions.get(caller, id).session
    form = FormFile(request)
    name = check_file_name(await form.name())
    draft = await session.draft()
    try:
        async for piece in form.content():
            await asyncio.to_thread(draft.write, piece)
        await session.keep_file(draft, name)
    finally:
        await asyncio.to_thread(draft.discard)
    return Response(status_code=201, media_type="text/plain")


@router.get("", operation_id="listSessionFiles", responses=failing(403, 404, 410))
async def list_session_files(id: str, node: Node, caller: Caller) -> list[str]:  # noqa: A002
    """The names of the files in the working directory and its folders. Links, pipes and the like are left out.

    In names that are no text, `\\xe9` stands for such a byte; so they are asked for.
    """
    return await node.sessions.get(caller, id).session.file_names()


@router.get(
    "/{fileName:file_name}",
    operation_id="getSessionFile",
    response_class=StreamingResponse,
    responses=file("application/octet-stream", "The file.") | failing(403, 404, 410),
)
async def get_session_file(id: str, fileName: str, node: Node, caller: Caller) -> Response:  # noqa: A002, N803
    """A file of the working directory, as it is."""
    content = await node.sessions.get(caller, id).session.open_file(fileName)
    return FileContent(content, fileName.rpartition("/")[2])


@router.delete(
    "/{fileName:file_name}",
    operation_id="deleteSessionFile",
    response_class=Response,
    responses=failing(403, 404, 410),
)
async def delete_session_file(id: str, fileName: str, node: Node, caller: Caller) -> Response:  # noqa: A002, N803
    """Delete a file of the working directory."""
    await node.sessions.get(caller, id).session.delete_file(fileName)
    return Response()
