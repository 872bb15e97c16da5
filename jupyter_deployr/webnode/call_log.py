"""Calls of services that failed: a line each, unless there are too many. Those that are answered well have none.

A line names the route's template, as those of management requests do, and says why only where the server is at fault:
what a caller has sent, or code has raised, is for the caller and the publisher.
"""

from __future__ import annotations

import logging

from jupyter_deployr.computenode import FewLines
from jupyter_deployr.protocol.errors import DeployRError
from jupyter_deployr.webnode.asgi import Scope

_log = logging.getLogger(__name__)

_LINE = "%s /api/{name}/{version} %s request=%s"


class CallLog:
    """Failed calls, to be logged. A flood of those that their callers are to blame for hides no other."""

    def __init__(self) -> None:
        self._callers = FewLines(_log, logging.INFO, "calls with a status of 4xx")
        self._servers = FewLines(_log, logging.WARNING, "calls with a status of 5xx")

    def failed(self, scope: Scope, request_id: bytes, status: int, error: DeployRError | None) -> None:
        """Log a call that is answered with `status` of 400 or more; a worker's own answer has no `error` here."""
        if status < 500:
            self._callers.write(_LINE, scope["method"], status, request_id.decode())
        elif error is None:
            self._servers.write(_LINE, scope["method"], status, request_id.decode())
        else:
            self._servers.write(_LINE + ": %s", scope["method"], status, request_id.decode(), error.message)
