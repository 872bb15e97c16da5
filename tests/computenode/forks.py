"""Sessions and workers in small: processes forked from one that only imports, as the zygote's are.

Run as a module it is that process: one request per line on standard input, one answer per line on standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.library_changes import LibraryState
from jupyter_deployr.computenode.manifest import installed_packages
from jupyter_deployr.computenode.saving import save
from jupyter_deployr.computenode.snapshot import NotKept, Snapshot

_ROOT = Path(__file__).parents[2]
_PRELOADED = (
    "numpy",
    "pandas",
    "scipy.sparse",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
)


class Forks:
    """The process that forks, seen from a test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.computenode.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )

    def save(self, home: Path, code: str, check: str | None = None) -> list[NotKept]:
        """In a new process, run code in `home/work`, hold the check against it, and save all its names and files."""
        answer = self._ask("save", home, code, check)
        return [NotKept(**item) for item in answer["not_kept"]]

    def load(self, home: Path, check: str) -> None:
        """In a new process and another working directory, restore what was saved and hold the check against it."""
        self._ask("load", home, "", check)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def _ask(self, what: str, home: Path, code: str, check: str | None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"do": what, "home": str(home), "code": code, "check": check}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert not answer["fault"], answer["fault"]
        return answer


def _workspace() -> dict[str, Any]:
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(module)["__builtins__"] = __builtins__
    return vars(module)


def _working_in(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chdir(path)
    sys.path.insert(0, "")
    return path


def _run(workspace: dict[str, Any], code: str) -> None:
    exec(compile(code, "<cell>", "exec", dont_inherit=True), workspace)


def _hold(check: str, workspace: dict[str, Any]) -> None:
    """An expression must be true; statements must run, with what they assert."""
    try:
        expression = compile(check, "<check>", "eval", dont_inherit=True)
    except SyntaxError:
        _run(workspace, check)
    else:
        assert eval(expression, workspace), f"not so: {check}"


def _save(home: Path, code: str, check: str | None) -> dict[str, Any]:
    directory = _working_in(home / "work")
    workspace = _workspace()
    before = LibraryState()
    _run(workspace, code)
    if check is not None:
        child = os.fork()
        if child == 0:
            _answer(lambda: _hold(check, workspace) or {}, "the original")
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            os._exit(1)
    names = [name for name in workspace if not name.startswith("__")]
    not_kept = save(home / "snapshot", workspace, names, directory, changes=before.changes(workspace, directory))
    return {"not_kept": [asdict(item) for item in not_kept]}


def _load(home: Path, check: str) -> dict[str, Any]:
    directory = _working_in(home / "elsewhere")
    snapshot = Snapshot(home / "snapshot")
    snapshot.write_files(directory)
    workspace = _workspace()
    snapshot.load_into(workspace)
    _hold(check, workspace)
    return {}


def _answer(do: Callable[[], dict[str, Any]], what: str) -> None:
    """In a child: do it and tell how it went. A check of the original only tells when it fails."""
    code = 0
    answer: Mapping[str, Any]
    try:
        answer = {"fault": "", **do()}
    except BaseException:
        code = 1
        answer = {"fault": f"{what}: {traceback.format_exc()}"}
    if code or what != "the original":
        os.write(1, (json.dumps(answer) + "\n").encode())
    os._exit(code)


def _serve() -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    installed_packages()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(**json.loads(line))
        os.waitpid(child, 0)


def _become(do: str, home: str, code: str, check: str) -> None:
    if do == "save":
        _answer(lambda: _save(Path(home), code, check), "the session")
    else:
        _answer(lambda: _load(Path(home), check), "the restored session")


if __name__ == "__main__":
    _serve()
