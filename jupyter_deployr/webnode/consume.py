"""The consume path: `POST /api/{name}/{version}`, a plain ASGI callable outside FastAPI.

Nothing is decoded here: the request body goes to a worker as one frame, and the worker's bytes come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from jupyter_deployr.computenode import LoadFailed
from jupyter_deployr.protocol.errors import (
    DeployRError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    ServerFault,
    Unavailable,
)
from jupyter_deployr.webnode.auth import Tokens
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.request_ids import REQUEST_ID, new_request_id

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TYPE = (b"content-type", b"application/json")


def _failed(failure: Exception, request_id: str) -> tuple[int, bytes]:
    """Status and Error body of whatever went wrong."""
    if isinstance(failure, DeployRError):
        error = failure
    elif isinstance(failure, LoadFailed):
        error = Unavailable(f"The version can't be started: {failure}")
    else:
        _log.error("request %s failed", request_id, exc_info=failure)
        error = ServerFault(f"The server failed; its log has more under request {request_id}.")
    return error.status, orjson.dumps(error.body)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


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
        except Exception as failure:
            status, body = _failed(failure, request_id.decode())
        headers = [_TYPE, (b"content-length", b"%d" % len(body)), (REQUEST_ID, request_id)]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        elif status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        authorization = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
                break
        if self._tokens.verified(authorization) is None:
            await asyncio.to_thread(self._tokens.verify, authorization)
        published = self._catalog.at(scope["raw_path"])
        if published is None:
            raise NotFound("There is no service of that name and version.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("Services are called with POST.")
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body") or message["type"] == "http.disconnect":
            body = await self._rest(message, receive)
        elif len(body) > self._max_body_bytes:
            raise self._too_large()
        return await published.pool.call(body)

    async def _rest(self, message: MutableMapping[str, Any], receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The request body is larger than {self._max_body_bytes:,} bytes.")
