"""The one exception tree, shared by both ends of the wire.

    DeployRError
    ├── BadRequest 400 ── InvalidInputs 400
    ├── Unauthorized 401
    ├── Forbidden 403
    ├── NotFound 404
    ├── MethodNotAllowed 405
    ├── RequestTooSlow 408
    ├── Conflict 409
    ├── Gone 410
    ├── PayloadTooLarge 413
    ├── UnsupportedMediaType 415
    ├── TooManyRequests 429
    ├── HeadTooLarge 431
    ├── ServerFault 500
    ├── NotImplementedHere 501
    ├── WorkerLost 502
    ├── Unavailable 503
    ├── TimedOut 504
    ├── StorageFull 507
    └── (client only, no status of their own)
        ├── ServerUnreachable      no answer came, or none in time
        │   └── ExecutionOutOfReach    of code that was begun in a session; it may go on
        ├── UnexpectedResponse     an answer came that is not of this protocol
        ├── ExecutionFailed        remote code raised
        └── EmbeddedServerFailed   the embedded server could not be started

The server raises these and answers with `DeployRError.body`; the client turns such a body back into the same class
with `from_response`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class DeployRError(Exception):
    """Anything this project reports as an error. `str(error)` is one sentence for a person.

    `status` is the HTTP status it travels under, `fields` the names of the request members at fault, `request_id` the
    server's name for the request where one is known.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, *, fields: Iterable[str] = (), request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = tuple(fields)
        self.request_id = request_id

    @property
    def body(self) -> dict[str, Any]:
        """The Error body: the union of the members that the core API and the service documents declare."""
        return {
            "message": self.message,
            "code": self.status,
            "link": "",
            "exceptionType": type(self).__name__,
            "fields": ", ".join(self.fields),
        }


class BadRequest(DeployRError):
    """The request is malformed, or a member is missing or of the wrong kind."""

    status = 400


class InvalidInputs(BadRequest):
    """Inputs of a service call don't fit its definition; `fields` names each of them."""


class Unauthorized(DeployRError):
    """No valid credential."""

    status = 401


class Forbidden(DeployRError):
    """A valid credential whose role or ownership doesn't allow the operation."""

    status = 403


class NotFound(DeployRError):
    """Nothing of that name or id, or nothing that the caller may know of."""

    status = 404


class MethodNotAllowed(DeployRError):
    """The path exists, the HTTP method on it doesn't."""

    status = 405


class RequestTooSlow(DeployRError):
    """The client took too long to send its request."""

    status = 408


class Conflict(DeployRError):
    """It exists already, or is busy with something that excludes the request."""

    status = 409


class Gone(DeployRError):
    """A session that was live and has ended."""

    status = 410


class PayloadTooLarge(DeployRError):
    """The request body is over the configured limit."""

    status = 413


class UnsupportedMediaType(DeployRError):
    """The body's content type is not one that the operation reads."""

    status = 415


class TooManyRequests(DeployRError):
    """Slow down; `retry_after`, on the wire `Retry-After`, says for how many seconds."""

    status = 429

    def __init__(
        self, message: str, *, retry_after: int = 1, fields: Iterable[str] = (), request_id: str | None = None
    ) -> None:
        super().__init__(message, fields=fields, request_id=request_id)
        self.retry_after = retry_after


class HeadTooLarge(DeployRError):
    """The request line and headers are over the server's limit."""

    status = 431


class ServerFault(DeployRError):
    """A fault of the server's own; its log has the traceback under the request id."""

    status = 500


class NotImplementedHere(DeployRError):
    """An operation of the API that this server doesn't offer."""

    status = 501


class WorkerLost(DeployRError):
    """The process that ran the user code ended before it answered."""

    status = 502


class Unavailable(DeployRError):
    """The server, or the queue of one service, can't take the request now; `Retry-After` says when to try again."""

    status = 503


class TimedOut(DeployRError):
    """User code ran longer than its limit and was stopped."""

    status = 504


class StorageFull(DeployRError):
    """The disk is full; nothing was changed."""

    status = 507


def says_disk_full(error: BaseException) -> bool:
    """Whether the system's error means that the disk, or the account's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class ServerUnreachable(DeployRError):
    """No answer from the server: connection refused, cut, or out of time."""


class ExecutionOutOfReach(ServerUnreachable):
    """The server stayed away while code in a session was followed. The code may go on: `execution_id`, and `seen`, the
    `seq` of the last message that came, follow it again."""

    def __init__(self, message: str, *, execution_id: str = "", seen: int = 0) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.seen = seen


class UnexpectedResponse(DeployRError):
    """The answer is not of this protocol (a proxy's page, another server)."""


class ExecutionFailed(DeployRError):
    """Remote code raised. `traceback` holds the remote traceback's lines, as IPython formats them."""

    def __init__(self, message: str, *, traceback: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.traceback = tuple(traceback)


class EmbeddedServerFailed(DeployRError):
    """The embedded server could not be started; the message has the server's own reason."""


def _with_own_status(base: type[DeployRError]) -> Iterable[type[DeployRError]]:
    for subclass in base.__subclasses__():
        if "status" in vars(subclass):
            yield subclass
        yield from _with_own_status(subclass)


BY_STATUS: Mapping[int, type[DeployRError]] = {error.status: error for error in _with_own_status(DeployRError)}
BY_NAME: Mapping[str, type[DeployRError]] = {
    **{error.__name__: error for error in BY_STATUS.values()},
    InvalidInputs.__name__: InvalidInputs,
}


def from_response(status: int, body: Any, request_id: str | None = None) -> DeployRError:
    """The exception that an error response stands for.

    `body` is the decoded JSON body, whatever it is; what isn't an Error body becomes `UnexpectedResponse`.
    """
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return UnexpectedResponse(
            f"The server answered with status {status} and no explanation. Is this address a DeployR server?",
            request_id=request_id,
        )
    kind = BY_NAME.get(str(body.get("exceptionType"))) or BY_STATUS.get(status, ServerFault)
    fields = [name for name in str(body.get("fields") or "").split(", ") if name]
    return kind(body["message"], fields=fields, request_id=request_id)
