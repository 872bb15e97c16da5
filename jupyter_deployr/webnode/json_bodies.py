"""JSON bodies of the routes: read as strictly as calls of services are."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.strict_json import read_exact_json
from jupyter_deployr.webnode.media_types import check_json

_JSON = "application/json"


class _JsonRequest(Request):
    async def json(self) -> Any:
        """The body. FastAPI lets no exception but its own through while it reads one."""
        try:
            return read_exact_json(await self.body())
        except BadRequest as fault:
            raise HTTPException(fault.status, str(fault)) from None


class JsonRoute(APIRoute):
    """A route whose JSON body, if it has one, is strict JSON, and is JSON unless the request says otherwise."""

    @property
    def takes_json(self) -> bool:
        """Whether the route has a JSON body: not an upload, not a form."""
        return self.body_field is not None and getattr(self.body_field.field_info, "media_type", "") == _JSON

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not self.takes_json:
            return handle

        async def handle_json(request: Request) -> Response:
            strict = _JsonRequest(request.scope, request.receive)
            headers = request.scope["headers"]
            if await strict.body():
                check_json(headers)
                # FastAPI reads no other type as JSON.
                headers = [header for header in headers if header[0] != b"content-type"]
                request.scope["headers"] = [*headers, (b"content-type", _JSON.encode())]
            return await handle(strict)

        return handle_json
