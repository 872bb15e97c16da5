"""An execution in a session as it is followed: its messages while it runs, and what it answers in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

from jupyter_deployr.client.calls import Caller, Headers, as_body, as_model, path
from jupyter_deployr.client.transport import Lines, Transport
from jupyter_deployr.protocol.errors import (
    ExecutionOutOfReach,
    ServerUnreachable,
    Unavailable,
    UnexpectedResponse,
    from_response,
)
from jupyter_deployr.protocol.models import ExecuteRequest, ExecuteResponse

Event = dict[str, Any]
"""A Jupyter message: `seq`, `msg_type`, `content` and `metadata`."""

# A server, or a gateway before it, that restarts is waited for.
_SERVER_AWAY_SECONDS = 60.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# A connection that lasted so long was one: gateways end those on which nothing is said for a while.
_HELD_SECONDS = 1.0


class FollowedExecution(Iterator[Event]):
    """Iterate over it for the messages as they come. One of the type `truncated` stands for some that are missing.

    What breaks off is taken up again behind the last message seen. The execution goes on in the session when nobody
    iterates, and when this object is gone; `id` and `seen` find it again (`DeployRClient.follow_execution`).
    Iterating may raise ExecutionOutOfReach, Gone, and what else `executeCode` does; it can be gone on with after that,
    and after an interrupt.
    """

    # For a `__del__` of one that was never made.
    _lines: Lines | None = None

    def __init__(
        self, transport: Transport, caller: Caller, session: str, headers: Headers, execution: str, seen: int
    ) -> None:
        self._transport = transport
        self._caller = caller
        self._session = session
        self._headers = headers
        self._response: ExecuteResponse | None = None
        self._opened = 0.0
        self._away_since: float | None = None
        self._pause = 0.0
        self.id = execution
        self.seen = seen

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
        assert self._response is not None
        return self._response

    def close(self) -> None:
        """Stop to follow; the execution goes on. Iterating takes it up again."""
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()

    def __del__(self) -> None:
        self.close()

    def __next__(self) -> Event:
        while self._response is None:
            try:
                event = self._heard()
            except (ServerUnreachable, Unavailable) as fault:
                self.close()
                self._wait_for_server(fault)
            except BaseException:
                self.close()  # what an interrupt left half read is no good any more
                raise
            else:
                if event is not None:
                    self._away_since = None
                    return event
        raise StopIteration

    def __repr__(self) -> str:
        return f"<FollowedExecution {self.id}: {'ended' if self._response else f'seen up to {self.seen}'}>"

    def _heard(self) -> Event | None:
        """The next message, None at the end. Raises what the end says instead, ServerUnreachable when there is none."""
        if self._lines is None:
            self._reopen()
        lines = self._lines
        assert lines is not None
        line = next(lines, None)
        if line is None:
            raise ServerUnreachable("The answer broke off.")
        if not isinstance(line, dict):
            raise UnexpectedResponse("A line of the answer is no JSON object.")
        if "seq" in line:
            self.id = self.id or line.get("metadata", {}).get("executionId", "")
            self.seen = line["seq"]
            return line
        if "exceptionType" in line:
            raise from_response(line["code"], line)
        self._response = as_model(ExecuteResponse, line)
        with suppress(ServerUnreachable):
            next(lines, None)  # to the end of the answer, so that the connection is of further use
        self.close()
        return None

    def _wait_for_server(self, fault: ServerUnreachable | Unavailable) -> None:
        """Until it may be there again. Raises ExecutionOutOfReach when it has been away for too long."""
        now = time.monotonic()
        if self._opened and now - self._opened >= _HELD_SECONDS:
            self._away_since = None
        self._opened = 0.0
        if self._away_since is None:
            self._away_since, self._pause = now, 0.0
        if not self.id or now - self._away_since >= _SERVER_AWAY_SECONDS:
            self._away_since = None
            self._give_up(fault)
        time.sleep(self._pause)
        self._pause = min(max(_SHORTEST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)

    def _give_up(self, fault: ServerUnreachable | Unavailable) -> NoReturn:
        if not self.id:
            raise fault
        raise ExecutionOutOfReach(
            f"{fault} The code goes on in the session if the server is alive: "
            f"client.attach({self._session!r}).reattach({self.id!r}, {self.seen}) follows it from where it was.",
            execution_id=self.id,
            seen=self.seen,
        ) from None

    def _reopen(self) -> None:
        where = path("sessions", self._session, "executions", self.id, "events")
        self._open("GET", where, query={"after": str(self.seen)})

    def _open(self, method: str, where: str, body: bytes | None = None, query: dict[str, str] | None = None) -> None:
        timeout = self._transport.timeouts.execution
        self._lines = self._caller.with_token(
            self._headers,
            lambda sent: self._transport.lines(method, where, body=body, query=query, headers=sent, timeout=timeout),
        )
        self._opened = time.monotonic()
        self.id = self.id or self._lines.headers.get("X-Execution-Id", "")
