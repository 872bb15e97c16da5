"""The one file of a multipart/form-data body, piece by piece as it comes in: nothing of it is held back."""

from __future__ import annotations

import email.message
import email.utils
import re
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from jupyter_deployr.protocol.errors import BadRequest, UnsupportedMediaType

_FORM = "multipart/form-data"
# RFC 2046; and no more than that, or the search for it would be slow.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_MAX_HEAD = 16 * 1024
_PIECE = 1024 * 1024


class FormFile:
    """The file of the field `file` in the body of a request."""

    def __init__(self, request: Request) -> None:
        """Raises UnsupportedMediaType, BadRequest."""
        self._incoming = request.stream()
        self._delimiter = b"\r\n--" + _boundary(request.headers.get("content-type", ""))
        # A body begins with a delimiter, without the line end of those that follow.
        self._waiting = bytearray(b"\r\n")
        self._over = False

    async def name(self) -> str:
        """Read up to the file's content; its name, as the client gave it. Raises BadRequest, PayloadTooLarge."""
        while True:
            async for _ in self._up_to_delimiter():
                pass
            if not await self._next_part():
                raise BadRequest("The form has no field `file` with a file in it.", fields=["file"])
            field, name = await self._head()
            if field == "file":
                if name is None:
                    raise BadRequest("The field `file` of the form has no file name.", fields=["file"])
                return name

    async def content(self) -> AsyncIterator[bytes]:
        """The file's content, in pieces, after its `name`. Raises BadRequest when the body breaks off."""
        gathered = bytearray()
        async for piece in self._up_to_delimiter():
            gathered += piece
            if len(gathered) >= _PIECE:
                yield bytes(gathered)
                gathered.clear()
        yield bytes(gathered)
        # What follows is read, so that it counts against the limit, and to see that the body is whole.
        while await self._next_part():
            if (await self._head())[0] == "file":
                raise BadRequest("The form has two fields `file`; send one file at a time.", fields=["file"])
            async for _ in self._up_to_delimiter():
                pass
        while await self._more():
            self._waiting.clear()

    async def _up_to_delimiter(self) -> AsyncIterator[bytes]:
        """What comes before the next delimiter, which is consumed."""
        while (at := self._waiting.find(self._delimiter)) < 0:
            # The end may be the beginning of a delimiter.
            certain = len(self._waiting) - len(self._delimiter) + 1
            if certain > 0:
                yield bytes(self._waiting[:certain])
                del self._waiting[:certain]
            await self._need_more()
        yield bytes(self._waiting[:at])
        del self._waiting[: at + len(self._delimiter)]

    async def _next_part(self) -> bool:
        """Whether a part follows the delimiter, rather than the end."""
        while len(self._waiting) < 2:
            await self._need_more()
        if self._waiting.startswith(b"--"):
            return False
        while (end := self._waiting.find(b"\r\n")) < 0:
            await self._need_more()
        if self._waiting[:end].strip(b" \t"):
            raise _broken()
        # The line end stays: a part may have no head, and end at once.
        del self._waiting[:end]
        return True

    async def _head(self) -> tuple[str | None, str | None]:
        """Field and file name of a part."""
        while (end := self._waiting.find(b"\r\n\r\n")) < 0:
            if len(self._waiting) > _MAX_HEAD:
                raise _broken()
            await self._need_more()
        try:
            lines = self._waiting[2:end].decode().split("\r\n")
        except UnicodeDecodeError:
            raise BadRequest("The names in the form must be UTF-8.") from None
        del self._waiting[: end + 4]
        for line in lines:
            header, _, value = line.partition(":")
            if header.strip().lower() == "content-disposition":
                return _parameters(value.strip())
        return None, None

    async def _need_more(self) -> None:
        if not await self._more():
            raise BadRequest("The upload broke off, or is no multipart/form-data; nothing was kept.")

    async def _more(self) -> bool:
        if self._over:
            return False
        try:
            data = await anext(self._incoming, b"")
        except ClientDisconnect:
            data = b""
        self._waiting += data
        self._over = not data
        return not self._over


def _boundary(content_type: str) -> bytes:
    message = email.message.Message()
    message["Content-Type"] = content_type
    if message.get_content_type() != _FORM:
        raise UnsupportedMediaType("Send the file as multipart/form-data, in the field `file`.")
    boundary = message.get_boundary("")
    if not _BOUNDARY.fullmatch(boundary):
        raise BadRequest("The Content-Type of the form has no boundary, or one that can't be.")
    return boundary.encode()


def _parameters(disposition: str) -> tuple[str | None, str | None]:
    message = email.message.Message()
    message["Content-Disposition"] = disposition.replace("\r", " ").replace("\n", " ")
    return _text(message, "name"), _text(message, "filename")


def _text(message: email.message.Message, parameter: str) -> str | None:
    value = message.get_param(parameter, header="Content-Disposition")
    return None if value is None else email.utils.collapse_rfc2231_value(value)


def _broken() -> BadRequest:
    return BadRequest("The request body is not valid multipart/form-data.")
