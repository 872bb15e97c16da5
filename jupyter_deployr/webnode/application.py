"""The ASGI application: calls of services go straight to the consume path, everything else to FastAPI."""

from __future__ import annotations

import logging

from fastapi import FastAPI

from jupyter_deployr import __version__
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.webnode import error_bodies
from jupyter_deployr.webnode.asgi import Receive, Scope, Send
from jupyter_deployr.webnode.body_limit import limited
from jupyter_deployr.webnode.consume import Consume
from jupyter_deployr.webnode.context import WebNode
from jupyter_deployr.webnode.request_ids import REQUEST_ID, REQUEST_ID_IN_SCOPE, new_request_id
from jupyter_deployr.webnode.routes import login, services, sessions, snapshots, status

_log = logging.getLogger(__name__)


class Application:
    """Routes a request by its raw path: two segments below /api/ are a call of a service."""

    def __init__(self, node: WebNode) -> None:
        self._consume = Consume(node.catalog, node.tokens, node.settings.max_body_bytes)
        self._management = _management(node)
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

        async def send_with_id(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (REQUEST_ID, request_id)]}
            await send(message)

        slash = b"%2f" in scope["raw_path"].lower()
        app = error_bodies.answer(BadRequest("A name or id can't contain a slash.")) if slash else self._management
        try:
            await app(scope, limited(receive, self._max_body_bytes), send_with_id)
        except Exception:
            # Starlette has answered with an Error body and raises once more for the server to log.
            _log.exception("request %s failed", request_id.decode())


def _management(node: WebNode) -> FastAPI:
    app = FastAPI(
        title="DeployRClient",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.node = node
    error_bodies.install(app)
    for family in (login, services, sessions, snapshots, status):
        app.include_router(family.router)
    return app
