"""Headers of responses that are files: their names come from user code and are data, never markup or paths."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import BinaryIO
from urllib.parse import quote

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_PIECE = 256 * 1024
_UNSAFE = re.compile(r"[^\w.+ -]", re.ASCII)


def attachment(name: str) -> dict[str, str]:
    """The headers of a file to be saved under `name`, whatever is in it and whatever its content looks like."""
    plain = _UNSAFE.sub("_", name)
    encoded = quote(name, safe="", errors="replace")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        "X-Content-Type-Options": "nosniff",
    }


class WrittenContent(StreamingResponse):
    """A file that is written while it is sent. `hold` is closed after it, whatever becomes of the connection."""

    def __init__(self, pieces: AsyncIterator[bytes], name: str, media_type: str, hold: AsyncExitStack) -> None:
        self._hold = hold
        super().__init__(pieces, media_type=media_type, headers=attachment(name))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._hold:
            await super().__call__(scope, receive, send)


class FileContent(StreamingResponse):
    """An open file of known size, sent piece by piece and closed after it, whatever becomes of the connection."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        headers = {**attachment(name), "Content-Length": str(size)}
        super().__init__(self._pieces(size), media_type="application/octet-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _pieces(self, size: int) -> AsyncIterator[bytes]:
        # No more than was announced, though more be written to it meanwhile.
        while size and (piece := await asyncio.to_thread(self._file.read, min(size, _PIECE))):
            size -= len(piece)
            yield piece
