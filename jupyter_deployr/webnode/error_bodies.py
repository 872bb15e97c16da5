"""Every failed request answers with an Error body, whatever failed."""

from __future__ import annotations

import errno
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from jupyter_deployr.protocol.errors import (
    BY_STATUS,
    BadRequest,
    DeployRError,
    ServerFault,
    StorageFull,
    TooManyRequests,
    says_disk_full,
)
from jupyter_deployr.webnode.request_ids import REQUEST_ID_IN_SCOPE

_log = logging.getLogger(__name__)

_RETRY_SECONDS = "1"
# What the server's operator may have to do something about.
_OPERATORS = (500, 502, 503, 504, 507)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def answer(error: DeployRError) -> JSONResponse:
    """The response of an error."""
    headers = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    elif error.status == 503:
        headers["Retry-After"] = _RETRY_SECONDS
    elif error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body, error.status, headers)


def install(app: FastAPI) -> None:
    """Map our errors, FastAPI's and everything unforeseen."""

    @app.exception_handler(DeployRError)
    async def ours(request: Request, error: DeployRError) -> JSONResponse:
        if error.status in _OPERATORS:
            _log.warning("request %s: %s", request.scope[REQUEST_ID_IN_SCOPE].decode(), error.message)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(_from_validation(error.errors()))

    @app.exception_handler(UnicodeEncodeError)
    async def no_text(_: Request, __: UnicodeEncodeError) -> JSONResponse:
        return answer(BadRequest("The request holds half a surrogate pair, which is no text."))

    @app.exception_handler(OSError)
    async def system(_: Request, error: OSError) -> JSONResponse:
        if says_disk_full(error):
            return answer(StorageFull("The disk is full; nothing was changed."))
        if error.errno in _NOT_WRITABLE:
            _log.error("what is kept can't be written: %s", error)
            return answer(ServerFault("The server can't write what it keeps: its operator must see to it."))
        raise error

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        kind = BY_STATUS.get(error.status_code, ServerFault)
        wording = {
            404: "There is no such route.",
            405: "This route doesn't have that method.",
        }
        return answer(kind(wording.get(error.status_code, str(error.detail))))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, _: Exception) -> JSONResponse:
        identity = request.scope[REQUEST_ID_IN_SCOPE].decode()
        return answer(ServerFault(f"The server failed; its log has more under request {identity}."))


def _from_validation(faults: Any) -> BadRequest:
    """All faults of a request in one sentence each."""
    sentences: dict[str, str] = {}
    for fault in faults:
        if fault["type"] == "json_invalid":
            return BadRequest(f"The request body is not valid JSON: {fault['ctx']['error']}.")
        where = ".".join(str(part) for part in fault["loc"][1:]) or "body"
        sentences[where] = f"{where}: {fault['msg'].lower()}"
    return BadRequest(f"The request is not valid: {'; '.join(sentences.values())}.", fields=sentences)
