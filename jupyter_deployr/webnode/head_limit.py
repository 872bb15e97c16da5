"""Heads of requests are measured while they are read: uvicorn would gather one of any size in memory."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jupyter_deployr.protocol.errors import BadRequest, DeployRError, HeadTooLarge

MAX_HEAD_BYTES = 64 * 1024
# So that the client reads the answer before the connection is reset under what it still sends.
_LINGER_SECONDS = 2.0


class HeadLimitProtocol(HttpToolsProtocol):
    """uvicorn's protocol, answering 431 to a request line, headers or trailers of more than `MAX_HEAD_BYTES`, and with
    an Error body to what is no HTTP.

    What comes in one piece is parsed in one piece, which the event loop keeps to 256 KiB. `received` counts the bytes
    of the connection.
    """

    received = 0
    _gathered = 0
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless it is too much without an end in sight."""
        if self._refused:
            return
        self.received += len(data)
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > MAX_HEAD_BYTES:
            self.refuse(HeadTooLarge(f"The request line and headers are larger than {MAX_HEAD_BYTES:,} bytes."))

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._gathered = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What has come is the body's, which has a limit of its own."""
        self._gathered = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.refuse(BadRequest(msg))

    @property
    def is_in_body(self) -> bool:
        """Whether a request is being answered whose body isn't complete."""
        return self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body

    @property
    def awaits_client(self) -> bool:
        """Whether the next thing to come is of the client's: a head, or more of a body."""
        if self._refused or self.flow.read_paused or self.transport.is_closing():
            return False
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.cycle.waiting_for_100_continue

    def refuse(self, error: DeployRError) -> None:
        """Answer with `error`, where nothing else is under way, and close the connection."""
        self._refused = True
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or not self.cycle.more_body or self.pipeline:
                # An answer is under way, or waited for: nothing may be put in between.
                self.transport.abort()
                return
            # What reads the body learns that the client is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif not self._gathered:
            self.transport.close()
            return
        body = orjson.dumps(error.body)
        status = HTTPStatus(error.status)
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncache-control: no-store\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % (status, status.phrase.encode(), len(body)) + body
        )
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
