"""One line per management request. It names the route's template: paths, queries and bodies hold secrets.

Calls of services are not logged here: they are counted.
"""

from __future__ import annotations

import logging

from jupyter_deployr.webnode.asgi import Scope

USER_IN_SCOPE = "deployr.user"

_log = logging.getLogger(__name__)

_READING = ("GET", "HEAD", "OPTIONS")
_CLIENT_GONE = "gone"


def log_request(scope: Scope, request_id: bytes, status: int, seconds: float) -> None:
    """Log a request: what was changed or went wrong at INFO, the rest at DEBUG. `status` 0 is a client that left."""
    level = logging.DEBUG if scope["method"] in _READING and 0 < status < 400 else logging.INFO
    if _log.isEnabledFor(level):
        route = getattr(scope.get("route"), "path", "-")
        _log.log(
            level,
            "%s %s %s %.1f ms request=%s user=%s",
            scope["method"],
            route,
            status or _CLIENT_GONE,
            seconds * 1000,
            request_id.decode(),
            scope.get(USER_IN_SCOPE, "-"),
        )
