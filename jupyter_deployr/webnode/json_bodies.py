"""JSON bodies of the routes: read as strictly as calls of services are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.strict_json import read_exact_json
from jupyter_deployr.webnode.body_limit import limited
from jupyter_deployr.webnode.context import authenticate, caller
from jupyter_deployr.webnode.media_types import check_json

_JSON = "application/json"
# A longer body is parsed in a thread.
_LONG_BYTES = 64 * 1024
# The most that anybody may send who has not signed in.
_MOST_BYTES_WITHOUT_TOKEN = 64 * 1024


class _JsonRequest(Request):
    async def json(self) -> Any:
        """The body. FastAPI lets no exception but its own through while it reads one."""
        body = await self.body()
        try:
            if len(body) > _LONG_BYTES:
                return await asyncio.to_thread(read_exact_json, body)
            return read_exact_json(body)
        except BadRequest as fault:
            raise HTTPException(fault.status, str(fault)) from None


class JsonRoute(APIRoute):
    """A route whose JSON body, if it has one, is strict JSON, and is JSON unless the request says otherwise.

    A route that wants a token sees to it before it reads the body; the bodies of the others are short.
    """

    @property
    def takes_json(self) -> bool:
        """Whether the route has a JSON body: not an upload, not a form."""
        return self.body_field is not None and getattr(self.body_field.field_info, "media_type", "") == _JSON

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not self.takes_json:
            return handle

        signed_in = any(dependency.call is caller for dependency in _dependencies(self.dependant))

        async def handle_json(request: Request) -> Response:
            if signed_in:
                await authenticate(request)
                receive = request.receive
            else:
                receive = limited(request.receive, _MOST_BYTES_WITHOUT_TOKEN)
            strict = _JsonRequest(request.scope, receive)
            headers = request.scope["headers"]
            if await strict.body():
                check_json(headers)
                # FastAPI reads no other type as JSON.
                headers = [header for header in headers if header[0] != b"content-type"]
                request.scope["headers"] = [*headers, (b"content-type", _JSON.encode())]
            return await handle(strict)

        return handle_json


def _dependencies(dependant: Dependant) -> Iterator[Dependant]:
    for dependency in dependant.dependencies:
        yield dependency
        yield from _dependencies(dependency)
