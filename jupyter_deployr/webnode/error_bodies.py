"""Every failed request answers with an Error body, whatever failed."""

from __future__ import annotations

import errno
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from jupyter_deployr.protocol.errors import (
    BY_STATUS,
    BadRequest,
    DeployRError,
    MethodNotAllowed,
    ServerFault,
    StorageFull,
    TooManyRequests,
    says_disk_full,
)
from jupyter_deployr.protocol.strict_json import write_json
from jupyter_deployr.webnode.request_ids import REQUEST_ID_IN_SCOPE

_log = logging.getLogger(__name__)

_RETRY_SECONDS = "1"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What the server's operator may have to do something about.
_OPERATORS = (500, 502, 503, 504, 507)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def answer(error: DeployRError) -> Response:
    """The response of an error, which may quote what user code calls text."""
    headers = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    elif error.status == 503:
        headers["Retry-After"] = _RETRY_SECONDS
    elif error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(write_json(error.body), error.status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Map our errors, FastAPI's and everything unforeseen."""

    @app.exception_handler(DeployRError)
    async def ours(request: Request, error: DeployRError) -> Response:
        if error.status in _OPERATORS:
            _log.warning("request %s: %s", request.scope[REQUEST_ID_IN_SCOPE].decode(), error.message)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(_from_validation(error.errors()))

    @app.exception_handler(UnicodeEncodeError)
    async def no_text(_: Request, __: UnicodeEncodeError) -> Response:
        return answer(BadRequest("The request holds half a surrogate pair, which is no text."))

    @app.exception_handler(OSError)
    async def system(_: Request, error: OSError) -> Response:
        if says_disk_full(error):
            return answer(StorageFull("The disk is full; nothing was changed."))
        if error.errno in _NOT_WRITABLE:
            _log.error("what is kept can't be written: %s", error)
            return answer(ServerFault("The server can't write what it keeps: its operator must see to it."))
        raise error

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        kind = BY_STATUS.get(error.status_code, ServerFault)
        wording = {
            404: "There is no such route.",
            405: "This route doesn't have that method.",
        }
        response = answer(kind(wording.get(error.status_code, str(error.detail))))
        if error.status_code == MethodNotAllowed.status:
            response.headers["Allow"] = ", ".join(_methods(request))
        return response

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, _: Exception) -> Response:
        identity = request.scope[REQUEST_ID_IN_SCOPE].decode()
        return answer(ServerFault(f"The server failed; its log has more under request {identity}."))


def _methods(request: Request) -> list[str]:
    """What a path can be asked with. Each route knows of its own method only."""
    routes = request.app.router.routes
    scopes = ({**request.scope, "method": method} for method in _METHODS)
    return [scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]


def _from_validation(faults: Any) -> BadRequest:
    """All faults of a request in one sentence each."""
    sentences: dict[str, str] = {}
    for fault in faults:
        if fault["type"] == "json_invalid":
            return BadRequest(f"The request body is not valid JSON: {fault['ctx']['error']}.")
        where = ".".join(str(part) for part in fault["loc"][1:]) or "body"
        sentences[where] = f"{where}: {fault['msg'].lower()}"
    return BadRequest(f"The request is not valid: {'; '.join(sentences.values())}.", fields=sentences)
