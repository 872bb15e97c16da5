"""One line per management request. It names the route's template: paths, queries and bodies hold secrets.

Calls of services are not logged here: they are counted.
"""

from __future__ import annotations

import logging

from jupyter_deployr.computenode import FewLines
from jupyter_deployr.webnode.asgi import Message, Receive, Scope

USER_IN_SCOPE = "deployr.user"
REFUSED_IN_SCOPE = "deployr.refused"
"""The status that was answered instead of the application's, to a request whose body never came to its end."""

_log = logging.getLogger(__name__)

_READING = ("GET", "HEAD", "OPTIONS")
_CLIENT_GONE = "gone"
_LINE = "%s %s %s %.1f ms request=%s user=%s"

# Anybody can begin requests and leave.
_unfinished = FewLines(_log, logging.INFO, "requests that never came to their end")


class WholeRequest:
    """`receive`, which notes when the client leaves, or is sent away, before all of its request was there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = False
        self.broke_off = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.broke_off = not self._whole
        elif not message.get("more_body"):
            self._whole = True
        return message


def log_request(scope: Scope, request_id: bytes, status: int, seconds: float) -> None:
    """Log a request that was answered: what was changed or went wrong at INFO, the rest at DEBUG. `status` 0 is a
    client that left while its answer was made."""
    level = logging.DEBUG if scope["method"] in _READING and 0 < status < 400 else logging.INFO
    if _log.isEnabledFor(level):
        _log.log(level, _LINE, *_told(scope, request_id, status, seconds))


def log_unfinished(scope: Scope, request_id: bytes, seconds: float) -> None:
    """Log, within bounds, a request that broke off before the application answered it."""
    _unfinished.write(_LINE, *_told(scope, request_id, scope.get(REFUSED_IN_SCOPE, 0), seconds))


def _told(scope: Scope, request_id: bytes, status: int, seconds: float) -> tuple[object, ...]:
    return (
        scope["method"],
        getattr(scope.get("route"), "path", "-"),
        status or _CLIENT_GONE,
        seconds * 1000,
        request_id.decode(),
        scope.get(USER_IN_SCOPE, "-"),
    )
