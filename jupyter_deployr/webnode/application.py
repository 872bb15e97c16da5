"""The ASGI application: calls of services go straight to the consume path, everything else to FastAPI."""

from __future__ import annotations

import logging
import time

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from jupyter_deployr import __version__
from jupyter_deployr.protocol.errors import BadRequest, DeployRError
from jupyter_deployr.webnode import error_bodies
from jupyter_deployr.webnode.access_log import WholeRequest, log_request, log_unfinished
from jupyter_deployr.webnode.asgi import Receive, Scope, Send
from jupyter_deployr.webnode.body_limit import limited
from jupyter_deployr.webnode.caching import NO_STORE
from jupyter_deployr.webnode.consume import Consume
from jupyter_deployr.webnode.context import WebNode
from jupyter_deployr.webnode.media_types import check_encoding
from jupyter_deployr.webnode.request_ids import REQUEST_ID, REQUEST_ID_IN_SCOPE, new_request_id
from jupyter_deployr.webnode.routes import (
    activity,
    batches,
    compute_nodes,
    documents,
    environment,
    events,
    executions,
    login,
    pages,
    realtime,
    service_pools,
    services,
    session_files,
    sessions,
    snapshots,
    status,
    workspace,
)

_log = logging.getLogger(__name__)


class Application:
    """Routes a request by its raw path: two segments below /api/ are a call of a service."""

    def __init__(self, node: WebNode) -> None:
        self._consume = Consume(node.catalog, node.tokens, node.settings.max_body_bytes)
        self.management = _management(node)
        self._max_body_bytes = node.settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["raw_path"]
            if path.startswith(b"/api/") and path.count(b"/") == 3:
                await self._consume(scope, receive, send)
                return
            await self._manage(scope, receive, send)

    async def _manage(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope[REQUEST_ID_IN_SCOPE] = new_request_id()
        began, status = time.perf_counter(), 0
        request = WholeRequest(receive)
        unfinished = False

        async def send_with_id(message: Scope) -> None:
            nonlocal status, unfinished
            if message["type"] == "http.response.start":
                # Whatever is made of half a request, nobody gets it.
                unfinished = request.broke_off
                status = message["status"]
                headers = [*message["headers"], (REQUEST_ID, request_id)]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                message = {**message, "headers": headers}
            await send(message)

        app: FastAPI | Response = self.management
        try:
            _check(scope)
        except DeployRError as refusal:
            app = error_bodies.answer(refusal)
        try:
            await app(scope, limited(request, self._max_body_bytes), send_with_id)
        except ClientDisconnect:
            unfinished = True
        except Exception:
            # Starlette has answered with an Error body and raises once more for the server to log.
            _log.exception("request %s failed", request_id.decode())
        finally:
            seconds = time.perf_counter() - began
            if unfinished:
                log_unfinished(scope, request_id, seconds)
            else:
                log_request(scope, request_id, status, seconds)


def _check(scope: Scope) -> None:
    """Raises what no route would see."""
    if b"%2f" in scope["raw_path"].lower():
        raise BadRequest("A name or id can't contain a slash.")
    check_encoding(scope["headers"])


def _management(node: WebNode) -> FastAPI:
    app = FastAPI(
        title="DeployRClient",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Behind a proxy the server doesn't know the address that its clients use.
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.node = node
    error_bodies.install(app)
    # In the order of the documents.
    families = (
        login,
        services,
        service_pools,
        activity,
        realtime,
        documents,
        batches,
        sessions,
        executions,
        session_files,
        workspace,
        snapshots,
        status,
        environment,
        events,
        compute_nodes,
        pages,
    )
    for family in families:
        app.include_router(family.router)
    return app
