"""How a magic fails: the cell ends with an error, so that "Run all" stops, but without a Python traceback of ours."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_deployr.protocol.errors import DeployRError


class CellFailed(Exception):
    """Shows as one line, such as `NotFound: There is no service Iris V3.0.`"""

    def _render_traceback_(self) -> list[str]:
        """IPython shows these lines instead of a traceback."""
        return [str(self)]


class RemoteCellFailed(CellFailed):
    """Code in the remote session raised. Shows as the remote traceback."""

    def __init__(self, message: str, traceback: Sequence[str]) -> None:
        super().__init__(message)
        self._remote_traceback = list(traceback) or [message]

    def _render_traceback_(self) -> list[str]:
        return self._remote_traceback


def as_failure(error: DeployRError, hint: str = "") -> CellFailed:
    """`error` as the line that the cell shows, with a hint on what to do about it."""
    return CellFailed(one_line(f"{type(error).__name__}: {error} {hint}"))


def one_line(text: str) -> str:
    """`text` without line breaks."""
    return " ".join(text.split())
