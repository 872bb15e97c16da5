"""The objects of a session's workspace, one by one, as dill bytes in files. This runs in the session's process."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill

from jupyter_deployr.computenode.recursion import within_the_stack

Workspace = dict[str, Any]

# What dill keeps of a code object, from Python 3.11 on; each older version has fewer members.
_CODE_MEMBERS = 18

_DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class WorkspaceObjects:
    """Answers the requests of the web node for objects; an answer is a `status` and what belongs to it."""

    def __init__(self, workspace: Workspace, names: Callable[[], list[str]]) -> None:
        """`names` gives those of the names in `workspace` that are the user's."""
        self._workspace = workspace
        self._names = names

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what `asked["do"]` says: `get`, `set` or `delete` the object `asked["name"]`.

        Raises OSError when the disk is full, and KeyboardInterrupt.
        """
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
            with path.open("xb") as file, within_the_stack():
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
                self._workspace[name] = _Unpickler(file).load()  # the session's own code could do it too
        except (Exception, SystemExit) as error:
            return {"status": "refused", "reason": f"The bytes for {name!r} can't be loaded by dill: {_reason(error)}"}
        return {"status": "ok"}


class _Unpickler(dill.Unpickler):  # type: ignore[misc] # dill has no annotations
    """dill's own, which would put the bytecode of an older Python into functions that can then do anything."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        return _code_of_this_python if found is dill._dill._create_code else found


def _code_of_this_python(*members: Any) -> Any:
    # Pythons from 3.10 on put a table for older ones before the members, which begin with a number.
    count = len(members) if isinstance(members[0], int) else len(members) - 1
    if count != _CODE_MEMBERS:
        mine = "{}.{}".format(*sys.version_info)
        raise dill.UnpicklingError(
            f"it holds a function or class of an older Python than this {mine}; publish its source instead"
        )
    return dill._dill._create_code(*members)


def _know_main() -> None:
    """dill was imported before this process had its workspace, and looks for names of `__main__` in another."""
    dill._dill._main_module = sys.modules["__main__"]


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    line = text.splitlines()[0][:300] if text else "no reason given"
    return f"{type(error).__name__}: {line}"
