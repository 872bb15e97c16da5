"""An execution in a session as it is followed: its messages while it runs, and what it answers in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from jupyter_deployr.client.calls import Caller, Headers, as_body, as_model, path
from jupyter_deployr.client.transport import Lines, Transport
from jupyter_deployr.protocol.errors import ServerUnreachable, UnexpectedResponse, from_response
from jupyter_deployr.protocol.models import ExecuteRequest, ExecuteResponse

Event = dict[str, Any]
"""A Jupyter message: `seq`, `msg_type`, `content` and `metadata`."""

# Followed again so many times without a message in between, an execution is given up.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.5


class FollowedExecution(Iterator[Event]):
    """Iterate over it for the messages as they come. One of the type `truncated` stands for some that are missing.

    What breaks off is taken up again behind the last message seen. The execution goes on in the session when nobody
    iterates, and when this object is gone; `id` and `seen` find it again (`DeployRClient.follow_execution`).
    Iterating may raise ServerUnreachable, Gone, and what else `executeCode` does.
    """

    def __init__(
        self, transport: Transport, caller: Caller, session: str, headers: Headers, execution: str, seen: int
    ) -> None:
        self._transport = transport
        self._caller = caller
        self._session = session
        self._headers = headers
        self._response: ExecuteResponse | None = None
        self._lines: Lines | None = None
        self.id = execution
        self.seen = seen
        self._messages = self._follow()

    @classmethod
    def begin(
        cls, transport: Transport, caller: Caller, session: str, request: ExecuteRequest, headers: Headers
    ) -> FollowedExecution:
        """Execute `request`. Raises what `executeCode` does."""
        execution = cls(transport, caller, session, headers, "", 0)
        execution._open("POST", path("sessions", session, "execute"), as_body(request))
        return execution

    @classmethod
    def again(
        cls, transport: Transport, caller: Caller, session: str, execution: str, seen: int, headers: Headers
    ) -> FollowedExecution:
        """Follow `execution` from behind the message `seen`. Raises what `followExecution` does."""
        followed = cls(transport, caller, session, headers, execution, seen)
        followed._reopen()
        return followed

    def result(self) -> ExecuteResponse:
        """The answer in the end, after the messages that are still to come."""
        for _ in self:
            pass
        if self._response is None:
            raise ServerUnreachable("The execution was not followed to its end; `follow_execution` takes it up again.")
        return self._response

    def close(self) -> None:
        """Stop to follow; the execution goes on. Iterating takes it up again."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def __del__(self) -> None:
        self.close()

    def __next__(self) -> Event:
        return next(self._messages)

    def __repr__(self) -> str:
        return f"<FollowedExecution {self.id}: {'ended' if self._response else f'seen up to {self.seen}'}>"

    def _follow(self) -> Iterator[Event]:
        attempts = 0
        while self._response is None:
            seen = self.seen
            try:
                if self._lines is None:
                    self._reopen()
                yield from self._heard()
            except ServerUnreachable:
                self.close()
                attempts = 0 if self.seen > seen else attempts + 1
                if not self.id or attempts == _ATTEMPTS:
                    raise
                if attempts:
                    time.sleep(_PAUSE_SECONDS)

    def _heard(self) -> Iterator[Event]:
        """The messages of one connection. Raises what its end says instead, ServerUnreachable when there is none."""
        lines = self._lines
        assert lines is not None
        for line in lines:
            if not isinstance(line, dict):
                raise UnexpectedResponse("A line of the answer is no JSON object.")
            if "seq" in line:
                self.id = self.id or line.get("metadata", {}).get("executionId", "")
                self.seen = line["seq"]
                yield line
            elif "exceptionType" in line:
                raise from_response(line["code"], line)
            else:
                self._response = as_model(ExecuteResponse, line)
                with suppress(ServerUnreachable):
                    next(lines, None)  # to the end of the answer, so that the connection is of further use
                self.close()
                return
        raise ServerUnreachable("The answer broke off.")

    def _reopen(self) -> None:
        where = path("sessions", self._session, "executions", self.id, "events")
        self._open("GET", where, query={"after": str(self.seen)})

    def _open(self, method: str, where: str, body: bytes | None = None, query: dict[str, str] | None = None) -> None:
        timeout = self._transport.timeouts.execution
        self._lines = self._caller.with_token(
            self._headers,
            lambda sent: self._transport.lines(method, where, body=body, query=query, headers=sent, timeout=timeout),
        )
        self.id = self.id or self._lines.headers.get("X-Execution-Id", "")
