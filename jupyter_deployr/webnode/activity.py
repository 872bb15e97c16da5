"""What the calls of one version do: their figures for everybody, their failures for its publisher."""

from __future__ import annotations

from typing import Any

import orjson

from jupyter_deployr.computenode import Answer, FailureReport, LoadFailed, ReportedAnswer
from jupyter_deployr.protocol.errors import DeployRError, Unavailable
from jupyter_deployr.webnode.call_figures import CallFigures
from jupyter_deployr.webnode.failure_log import FailureLog


class Activity:
    """Outlives the pools of a version; it ends when the version is deleted, or the process does."""

    def __init__(self) -> None:
        self.figures = CallFigures()
        self.failures = FailureLog()

    def answered_badly(self, request_id: bytes, answer: Answer) -> None:
        """Note an answer, counted already, that is not what a call should have."""
        status, body = answer
        self.figures.count_failure(status)
        if isinstance(answer, ReportedAnswer):
            self.failures.add(request_id.decode(), status, answer.report)
        elif status >= 500:
            self.failures.add(request_id.decode(), status, FailureReport(_message(body)))

    def not_answered(self, request_id: bytes, failure: BaseException, error: DeployRError) -> None:
        """Note a call, counted already, that has failed with `failure` and is answered with `error`."""
        self.figures.count_failure(error.status)
        if isinstance(failure, LoadFailed):
            self.failures.add(request_id.decode(), error.status, FailureReport(error.message, failure.traceback_text))
        elif not isinstance(error, Unavailable):
            # A full queue is nothing that the publisher could find the reason of here, and would fill the log.
            self.failures.add(request_id.decode(), error.status, FailureReport(error.message))


def _message(body: bytes) -> str:
    """What an Error body says."""
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return str(found.get("message", "")) if isinstance(found, dict) else ""
