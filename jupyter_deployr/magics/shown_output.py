"""The messages of remote code as the notebook shows them, as they come."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from jupyter_deployr.client.executions import Event


class ShownOutput:
    """What one cell shows: text where it was printed to, results as text, displays as displays."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._last = "\n"
        self._written_to: TextIO | None = None

    def show(self, event: Event) -> None:
        """Show a message, if it is one for people. An error isn't: it is how the cell ends."""
        content = event["content"]
        match event["msg_type"]:
            case "stream":
                self._write(content["text"], sys.stderr if content.get("name") == "stderr" else sys.stdout)
            case "execute_result":
                if "text/plain" in content["data"]:
                    self._write(f"{content['data']['text/plain']}\n", sys.stdout)
            case "display_data":
                self._display(content, update=False)
            case "update_display_data":
                self._display(content, update=True)
            case "clear_output":
                self.end()
                self._shell.display_pub.clear_output(wait=content.get("wait", False))  # type: ignore[no-untyped-call]
            case "truncated":
                self._write(f"… ({content['missing']:,} messages are missing here)\n", sys.stderr)

    def end(self) -> None:
        """After the last message: what follows begins on a new line."""
        if not self._last.endswith("\n") and self._written_to is not None:
            self._write("\n", self._written_to)

    def _write(self, text: str, stream: TextIO) -> None:
        if self._written_to is not stream and self._written_to is not None:
            self._written_to.flush()  # else the two would be shown in another order
        stream.write(text)
        stream.flush()
        self._written_to = stream
        self._last = text or self._last

    def _display(self, content: Mapping[str, Any], *, update: bool) -> None:
        self.end()
        transient = content.get("transient") or {}
        self._shell.display_pub.publish(
            content["data"],
            content.get("metadata") or {},
            transient=transient,
            update=update and "display_id" in transient,
        )
