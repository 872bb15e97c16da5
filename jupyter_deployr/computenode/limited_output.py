"""How much output a session sends: the server, and whoever reads it, has to hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jupyter_client.session import Session

from jupyter_deployr.computenode.messages import pack

MAX_PRINTED = 10_000_000
"""Characters that one execution prints."""

MAX_SHOWN = 10_000_000
"""Characters of one object that is displayed, in all its forms together."""

CUT = "\n… (output cut: it was longer than {limit:,} characters)\n"
"""What stands for the rest."""

_LEFT_OUT = "… (not shown: it has {size:,} characters)"
_SHOWING = ("display_data", "update_display_data", "execute_result")
# Threads of earlier executions may print on, for those.
_REMEMBERED = 100


class LimitedSession(Session):
    """Sends Jupyter messages with any strings, but of streams and displays no more than anybody reads."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pack=pack, **kwargs)
        self._printed: dict[str, int] = {}

    def send(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, *args: Any, **options: Any
    ) -> Any:
        """As Jupyter's, with cut content; what has nothing left is not sent."""
        if isinstance(msg_or_type, Mapping):
            kind = msg_or_type["msg_type"]
            limited = self._limited(kind, msg_or_type["content"], msg_or_type["parent_header"])
            if limited is None:
                return None
            if limited is not msg_or_type["content"]:
                msg_or_type = {**msg_or_type, "content": limited}
        else:
            content = self._limited(msg_or_type, content, (parent or {}).get("header", parent) or {})
        return super().send(stream, msg_or_type, content, parent, *args, **options)

    def _limited(self, kind: str, content: Any, parent: Mapping[str, Any]) -> Any:
        # User code may send what it likes; what is no such message is for others to refuse.
        if kind == "stream" and isinstance(content.get("text"), str):
            return self._rest_of_stream(content, parent.get("msg_id", ""))
        if (
            kind in _SHOWING
            and isinstance(content.get("data"), Mapping)
            and (size := _size(content["data"])) > MAX_SHOWN
        ):
            return {**content, "data": {"text/plain": _LEFT_OUT.format(size=size)}, "metadata": {}}
        return content

    def _rest_of_stream(self, content: dict[str, Any], execution: str) -> dict[str, Any] | None:
        text = content["text"]
        before = self._printed.pop(execution, 0)
        # Put back at the end: those that printed last are remembered.
        self._printed[execution] = before + len(text)
        while len(self._printed) > _REMEMBERED:
            del self._printed[next(iter(self._printed))]
        if before + len(text) <= MAX_PRINTED:
            return content
        if before > MAX_PRINTED:
            return None
        return {**content, "text": text[: MAX_PRINTED - before] + CUT.format(limit=MAX_PRINTED)}


def _size(data: Mapping[str, Any]) -> int:
    return sum(len(form) if isinstance(form, str) else len(json.dumps(form, default=str)) for form in data.values())
