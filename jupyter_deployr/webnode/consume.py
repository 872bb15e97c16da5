"""The consume path: `POST /api/{name}/{version}`, a plain ASGI callable outside FastAPI.

Nothing is decoded here: the request body goes to a worker as one frame, and the worker's bytes come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import perf_counter

import orjson

from jupyter_deployr.computenode import Answer, LoadFailed
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
from jupyter_deployr.webnode.call_log import CallLog
from jupyter_deployr.webnode.catalog import Catalog
from jupyter_deployr.webnode.media_types import USUAL_JSON, check_body
from jupyter_deployr.webnode.request_ids import REQUEST_ID, new_request_id

_log = logging.getLogger(__name__)

_TYPE = (b"content-type", b"application/json")
_MORE_HEADERS: Mapping[int, Sequence[tuple[bytes, bytes]]] = {
    401: [(b"www-authenticate", b"Bearer")],
    405: [(b"allow", b"POST")],
    503: [(b"retry-after", b"1")],
}


def _error(failure: BaseException, request_id: bytes) -> DeployRError:
    """What is answered to whatever went wrong."""
    if isinstance(failure, DeployRError):
        return failure
    if isinstance(failure, asyncio.CancelledError):
        return Unavailable("The server is stopping.")
    if isinstance(failure, LoadFailed):
        return Unavailable(f"The version can't be started: {failure}")
    if says_disk_full(failure):
        return StorageFull("The disk of the server is full: no process could be started for this call.")
    _log.error("request %s failed", request_id.decode(), exc_info=failure)
    return ServerFault(f"The server failed; its log has more under request {request_id.decode()}.")


class Consume:
    """Answers calls of services."""

    def __init__(self, catalog: Catalog, tokens: Tokens, max_body_bytes: int) -> None:
        self._catalog = catalog
        self._tokens = tokens
        self._max_body_bytes = max_body_bytes
        self._log = CallLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        error: DeployRError | None = None
        try:
            status, body = await self._answer(scope, receive, request_id)
        except ClientGone:
            return
        except (Exception, asyncio.CancelledError) as failure:
            error = _error(failure, request_id)
            status, body = error.status, orjson.dumps(error.body)
        headers = [_TYPE, (b"content-length", b"%d" % len(body)), NO_STORE, (REQUEST_ID, request_id)]
        if status != 200:
            headers.extend(_MORE_HEADERS.get(status, ()))
            self._log.failed(scope, request_id, status, error)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive, request_id: bytes) -> Answer:
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
        activity = published.activity
        began = perf_counter()
        try:
            answer = await published.pool.call(body)
        except (Exception, asyncio.CancelledError) as failure:
            error = _error(failure, request_id)
            activity.figures.count(began)
            activity.not_answered(request_id, failure, error)
            raise error from None
        activity.figures.count(began)
        if answer[0] != 200 or type(answer) is not tuple:
            activity.answered_badly(request_id, answer)
        return answer
