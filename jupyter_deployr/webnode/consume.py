"""The consume path: `POST /api/{name}/{version}`, a plain ASGI callable outside FastAPI.

Nothing is decoded here: the request body goes to a worker as one frame, and the worker's bytes come back.
"""

from __future__ import annotations

import asyncio
import logging

import orjson

from jupyter_deployr.computenode import LoadFailed
from jupyter_deployr.protocol.errors import (
    DeployRError,
    MethodNotAllowed,
    NotFound,
    ServerFault,
    StorageFull,
    Unavailable,
    says_disk_full,
)
from jupyter_deployr.webnode.asgi import Receive, Scope, Send
from jupyter_deployr.webnode.auth import Tokens
from jupyter_deployr.webnode.body_limit import ClientGone, whole_body
from jupyter_deployr.webnode.caching import NO_STORE
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.media_types import USUAL_JSON, check_body
from jupyter_deployr.webnode.request_ids import REQUEST_ID, new_request_id

_log = logging.getLogger(__name__)

_TYPE = (b"content-type", b"application/json")


def _failed(failure: BaseException, request_id: str) -> tuple[int, bytes]:
    """Status and Error body of whatever went wrong."""
    if isinstance(failure, DeployRError):
        error = failure
    elif isinstance(failure, asyncio.CancelledError):
        error = Unavailable("The server is stopping.")
    elif isinstance(failure, LoadFailed):
        error = Unavailable(f"The version can't be started: {failure}")
    elif says_disk_full(failure):
        error = StorageFull("The disk of the server is full: no process could be started for this call.")
    else:
        _log.error("request %s failed", request_id, exc_info=failure)
        error = ServerFault(f"The server failed; its log has more under request {request_id}.")
    return error.status, orjson.dumps(error.body)


class Consume:
    """Answers calls of services."""

    def __init__(self, catalog: Catalog, tokens: Tokens, max_body_bytes: int) -> None:
        self._catalog = catalog
        self._tokens = tokens
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        try:
            status, body = await self._answer(scope, receive)
        except ClientGone:
            return
        except (Exception, asyncio.CancelledError) as failure:
            status, body = _failed(failure, request_id.decode())
        headers = [_TYPE, (b"content-length", b"%d" % len(body)), NO_STORE, (REQUEST_ID, request_id)]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        elif status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        authorization = b""
        usual = True
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                usual = usual and value in USUAL_JSON
            elif name == b"content-encoding":
                usual = False
        if self._tokens.verified(authorization) is None:
            await asyncio.to_thread(self._tokens.verify, authorization)
        body = await whole_body(receive, self._max_body_bytes)
        if not usual:
            check_body(scope["headers"], body)
        # Nothing waits between the look-up and the call, so a version is never changed or deleted in between.
        published = self._catalog.at(scope["raw_path"])
        if published is None:
            raise NotFound("There is no service of that name and version.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("Services are called with POST.")
        return await published.pool.call(body)
