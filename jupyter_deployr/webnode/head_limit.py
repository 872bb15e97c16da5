"""Heads of requests are measured while they are read: uvicorn would gather one of any size in memory."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jupyter_deployr.computenode import FewLines
from jupyter_deployr.protocol.errors import BadRequest, DeployRError, HeadTooLarge
from jupyter_deployr.webnode.access_log import REFUSED_IN_SCOPE
from jupyter_deployr.webnode.asgi import Scope
from jupyter_deployr.webnode.crowd import Awaited
from jupyter_deployr.webnode.request_ids import REQUEST_ID, new_request_id

MAX_HEAD_BYTES = 64 * 1024
# So that the client reads the answer before the connection is reset under what it still sends.
_LINGER_SECONDS = 2.0

_refusals = FewLines(logging.getLogger(__name__), logging.INFO, "requests that were refused")


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(f"The request line and headers are larger than {MAX_HEAD_BYTES:,} bytes.")


class HeadLimitProtocol(HttpToolsProtocol):
    """uvicorn's protocol, answering 431 to a request line, headers or trailers of more than `MAX_HEAD_BYTES`, and with
    an Error body to what is no HTTP.

    What comes in one piece is parsed in one piece, which the event loop keeps to 256 KiB. `received` counts the bytes
    of the connection.
    """

    url = b""
    received = 0
    _gathered = 0
    _in_head = False
    _in_message = False
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless it is too much without an end in sight."""
        if self._refused:
            return
        self.received += len(data)
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > MAX_HEAD_BYTES:
            self.refuse(_too_large())

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._gathered = 0
        super().on_headers_complete()
        # Not before: its URL may be none, which has to be answered.
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        """What has come is the body's, which has a limit of its own."""
        self._gathered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of a request is here, or was thrown away behind an early answer."""
        self._in_message = False
        self._gathered = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has a longer URL than the parser takes."""
        self.refuse(_too_large() if len(self.url) >= MAX_HEAD_BYTES - 1 else BadRequest(msg))

    @property
    def is_in_body(self) -> bool:
        """Whether a request is being answered whose body isn't complete."""
        return self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body

    @property
    def awaits_client(self) -> bool:
        """Whether the next thing to come is of the client's: a head, or more of a body.

        Between requests nothing is awaited: how long a connection may be idle is a bound of its own, uvicorn's.
        """
        if self._refused or self.flow.read_paused or self.transport.is_closing():
            return False
        if self.cycle is None or self.cycle.response_complete:
            return self.cycle is None or self._in_message or self._gathered > 0
        return self.cycle.more_body and not self.cycle.waiting_for_100_continue

    @property
    def awaited(self) -> Awaited | None:
        """What the client has to send next; None while it is owed an answer."""
        if self._refused or self.cycle is None:
            return Awaited.FIRST_HEAD
        if self.cycle.response_complete:
            return Awaited.NEXT_HEAD
        return Awaited.BODY if self.cycle.more_body and not self.cycle.response_started else None

    @property
    def idle_until(self) -> float:
        """When an idle connection will be closed; 0.0 of one that isn't idle."""
        return 0.0 if self.timeout_keep_alive_task is None else self.timeout_keep_alive_task.when()

    def end(self) -> None:
        """Close the connection without a word."""
        self._refused = True
        self.transport.abort()

    def refuse(self, error: DeployRError) -> None:
        """Answer with `error`, where nothing else is under way, and close the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started or not self.cycle.more_body or self.pipeline:
                # An answer is under way, or waited for: nothing may be put in between.
                self.transport.abort()
                return
            # What reads the body learns that the client is gone, and the access log that it has had an answer.
            cast(Scope, self.cycle.scope)[REFUSED_IN_SCOPE] = error.status
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif not self._in_head and not self._gathered:
            self.transport.close()
            return
        body = orjson.dumps(error.body)
        status = HTTPStatus(error.status)
        request_id = new_request_id()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncache-control: no-store\r\nconnection: close\r\n"
            b"%s: %s\r\ncontent-length: %d\r\n\r\n"
            % (status, status.phrase.encode(), REQUEST_ID, request_id, len(body))
            + body
        )
        _refusals.write("%s request=%s: %s", error.status, request_id.decode(), error.message)
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
