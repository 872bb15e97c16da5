"""Heads of requests are measured while they are read: uvicorn would gather one of any size in memory."""

from __future__ import annotations

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jupyter_deployr.protocol.errors import HeadTooLarge

MAX_HEAD_BYTES = 64 * 1024
# So that the client reads the answer before the connection is reset under what it still sends.
_LINGER_SECONDS = 2.0


class HeadLimitProtocol(HttpToolsProtocol):
    """uvicorn's protocol, answering 431 to a request line, headers or trailers of more than `MAX_HEAD_BYTES`.

    What comes in one piece is parsed in one piece, which the event loop keeps to 256 KiB.
    """

    _gathered = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless it is too much without an end in sight."""
        if self._refused:
            return
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > MAX_HEAD_BYTES:
            self._refuse()

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._gathered = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What has come is the body's, which has a limit of its own."""
        self._gathered = 0
        super().on_body(body)

    def _refuse(self) -> None:
        self._refused = True
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer is under way, or waited for: nothing may be put in between.
            self.transport.abort()
            return
        error = HeadTooLarge(f"The request line and headers are larger than {MAX_HEAD_BYTES:,} bytes.")
        body = orjson.dumps(error.body)
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
            b"cache-control: no-store\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
