"""The objects of a session's workspace, one by one, as dill bytes in files. This runs in the session's process."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill

Workspace = dict[str, Any]

_DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class WorkspaceObjects:
    """Answers the requests of the web node for objects; an answer is a `status` and what belongs to it."""

    def __init__(self, workspace: Workspace, names: Callable[[], list[str]]) -> None:
        """`names` gives those of the names in `workspace` that are the user's."""
        self._workspace = workspace
        self._names = names

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what `asked["do"]` says: `list`, or `get`, `set` or `delete` the object `asked["name"]`.

        Raises OSError when the disk is full, and KeyboardInterrupt.
        """
        if asked["do"] == "list":
            return {"status": "ok", "names": sorted(self._names())}
        name: str = asked["name"]
        if asked["do"] == "set":
            return self._set(name, Path(asked["path"]))
        if name not in self._names():
            return {"status": "unknown"}
        if asked["do"] == "get":
            return self._get(name, Path(asked["path"]))
        del self._workspace[name]
        return {"status": "ok"}

    def _get(self, name: str, path: Path) -> dict[str, Any]:
        _know_main()
        try:
            with path.open("xb") as file:
                # With `recurse` a function takes the globals along that it uses, and no others.
                dill.dump(self._workspace[name], file, recurse=True)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
                raise
            kind = type(self._workspace[name]).__name__
            return {"status": "refused", "reason": f"{name!r} ({kind}) can't be written by dill: {_reason(error)}"}
        return {"status": "ok"}

    def _set(self, name: str, path: Path) -> dict[str, Any]:
        _know_main()
        try:
            with path.open("rb") as file:
                self._workspace[name] = dill.load(file)  # noqa: S301 - the session's own code could do it too
        except (Exception, SystemExit) as error:
            return {"status": "refused", "reason": f"The bytes for {name!r} can't be loaded by dill: {_reason(error)}"}
        return {"status": "ok"}


def _know_main() -> None:
    """dill was imported before this process had its workspace, and looks for names of `__main__` in another."""
    dill._dill._main_module = sys.modules["__main__"]


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    line = text.splitlines()[0][:300] if text else "no reason given"
    return f"{type(error).__name__}: {line}"
