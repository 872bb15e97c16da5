"""Log lines of which there may be a flood: the first are written, the others counted."""

from __future__ import annotations

import asyncio
import logging

_MOST = 20
_SECONDS = 10.0


class FewLines:
    """Writes at most 20 lines of one kind within 10 seconds, then one line that says how many more there were.

    Wants a running event loop.
    """

    def __init__(self, log: logging.Logger, level: int, kind: str) -> None:
        """`kind` says what the lines are of, in the plural."""
        self._log = log
        self._level = level
        self._kind = kind
        self._begun = 0.0
        self._written = 0
        self._kept_back = 0

    def write(self, message: str, *arguments: object) -> None:
        """Write a line, or count it."""
        if not self._log.isEnabledFor(self._level):
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._kept_back and now - self._begun >= _SECONDS:
            self._begun, self._written = now, 0
        if self._written < _MOST:
            self._written += 1
            self._log.log(self._level, message, *arguments)
            return
        if not self._kept_back:
            loop.call_at(self._begun + _SECONDS, self._tell)
        self._kept_back += 1

    def _tell(self) -> None:
        self._log.log(self._level, "and %s more %s within %.0f s", f"{self._kept_back:,}", self._kind, _SECONDS)
        self._written = self._kept_back = 0
        self._begun = asyncio.get_running_loop().time()
