"""Environment variables that modules set while they are imported: whoever imports these modules gets them again."""

from __future__ import annotations

import os
import sys
from typing import Any

_IMPORTS = "<frozen importlib._bootstrap>"

_set: dict[str, str] = {}
_watching = False


def watch_imports() -> None:
    """Notice from now on which variables imports set. The interpreter has no way to end this."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_hear)


def set_by_import(name: str) -> bool:
    """Whether an import, rather than code of a cell or what that has called, gave the variable its value."""
    return name in _set and os.environ.get(name) == _set[name]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "os.putenv":
        return
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") != "__main__":
        if frame.f_code.co_filename == _IMPORTS:
            _set[os.fsdecode(arguments[0])] = os.fsdecode(arguments[1])
            return
        frame = frame.f_back
    _set.pop(os.fsdecode(arguments[0]), None)
