"""The code that a session has executed."""

from __future__ import annotations

from collections import deque

_MAX_ENTRIES = 10_000
_MAX_CHARACTERS = 10_000_000


class History:
    """Executed code, the oldest first; of very much, the latest."""

    def __init__(self) -> None:
        self._entries: deque[str] = deque()
        self._characters = 0

    def add(self, code: str) -> None:
        """Remember `code`."""
        self._entries.append(code)
        self._characters += len(code)
        while len(self._entries) > 1 and (len(self._entries) > _MAX_ENTRIES or self._characters > _MAX_CHARACTERS):
            self._characters -= len(self._entries.popleft())

    def entries(self) -> list[str]:
        """All that is remembered."""
        return list(self._entries)
