"""One service version, loaded into a worker process: its calls, and what puts the process back after each."""

from __future__ import annotations

import base64
import linecache
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.call_context import context_for_calls
from jupyter_deployr.computenode.console import Console
from jupyter_deployr.computenode.definition import CodeError, Isolation, ServiceDefinition, compile_code
from jupyter_deployr.computenode.error_texts import error_text
from jupyter_deployr.computenode.leaks import foreseeable_leaks
from jupyter_deployr.computenode.namespace import CallNamespace
from jupyter_deployr.computenode.process_state import ProcessState
from jupyter_deployr.computenode.reports import Answer, FailureReport, with_report
from jupyter_deployr.computenode.snapshot import Snapshot, SnapshotError
from jupyter_deployr.computenode.used_names import used_by
from jupyter_deployr.computenode.workdir import WorkingDirectory
from jupyter_deployr.protocol.characters import shown_name
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.inputs import InputReader
from jupyter_deployr.protocol.outputs import OutputError, OutputWriter
from jupyter_deployr.protocol.strict_json import write_json

_MAX_MESSAGE = 10_000
_PLAIN_ANSWER = (
    b'{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],"outputFiles":{},"outputParameters":'
)


class LoadError(Exception):
    """A version that can't be loaded: the reason, and the traceback of its own code if it has one."""

    def __init__(self, message: str, traceback_text: str = "") -> None:
        super().__init__(message)
        self.traceback_text = traceback_text


def error_message(error: BaseException) -> str:
    """`NameError: name 'p' is not defined`, also for exceptions that can't be turned into text."""
    name, text = type(error).__name__, error_text(error)
    return (f"{name}: {text}" if text else name)[:_MAX_MESSAGE]


class LoadedService:
    """A version whose code is compiled and whose workspace is in memory."""

    def __init__(self, definition: ServiceDefinition, directory: Path, pristine: Path) -> None:
        """Load snapshot and files, and run the init code unless each call does. Raises LoadError."""
        self._definition = definition
        self._console = Console()
        sys.stdout = sys.stderr = self._console
        self._reader = InputReader(definition.inputs)
        self._writer = OutputWriter(definition.outputs)
        try:
            self._code = _compiled(definition.code, definition.label)
            self._init_code = _compiled(definition.init_code, f"{definition.label} (initCode)")
            self._snapshot = None if definition.snapshot is None else Snapshot(Path(definition.snapshot))
            if self._snapshot is not None:
                self._snapshot.write_files(directory)
            names = self._workspace()
            if self._snapshot is not None:
                self._snapshot.restore_random_states()
        except (CodeError, SnapshotError) as error:
            raise LoadError(str(error)) from error
        if definition.isolation != Isolation.PROCESS:
            self.run_init_code(names)
        self._names = names
        self._used = used_by(self._code, names)
        self._namespace = CallNamespace(names, self._used)
        in_children = definition.isolation == Isolation.PROCESS
        self._directory = WorkingDirectory(directory, pristine, watched=not in_children)
        self._process = ProcessState(directory)
        self._output_files = definition.output_files
        self._context = context_for_calls()
        self._touched = False
        self._reloads = definition.isolation == Isolation.RELOAD
        self._inits = self._reloads or in_children
        self._console.take()

    @property
    def notes(self) -> list[str]:
        """What calls may leave behind although the version is isolated, where it can be seen coming."""
        if self._definition.isolation != Isolation.NAMESPACE:
            return []
        return foreseeable_leaks(self._used, self._names)

    def _workspace(self) -> dict[str, Any]:
        """A new `__main__` with the snapshot's names in it. Raises SnapshotError."""
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        names = vars(module)
        names["__builtins__"] = __builtins__
        if self._snapshot is not None:
            self._snapshot.load_into(names)
        return names

    def run_init_code(self, names: dict[str, Any] | None = None) -> None:
        """Run the init code in the version's names. Raises LoadError with its traceback."""
        try:
            exec(self._init_code, self._names if names is None else names)  # noqa: S102 - what a worker is for
        except BaseException as error:
            line = _line_of(error, self._init_code.co_filename)
            raise LoadError(f"The initCode failed{line}: {error_message(error)}", _user_traceback(error)) from error

    def call(self, body: bytes) -> Answer:
        """Run the code once on the inputs in `body`; returns the HTTP status and body of the answer.

        When the code has failed, a report for its publisher comes with them, as it travels (reports.py).
        With `restore` after it, nothing that `notes` or the docs don't name is left for the next call.
        """
        try:
            inputs = self._reader.read(body)
        except BadRequest as fault:
            return fault.status, write_json(fault.body)
        failure = trace = ""
        outputs: Mapping[str, Any] = {}
        names = self._names
        # A copy: numpy's error settings, decimal's and other context variables end with the call.
        context = self._context.copy()
        try:
            if self._inits:
                if self._reloads:
                    names = self._workspace()
                if self._snapshot is not None:
                    self._snapshot.restore_random_states()
                context.run(self.run_init_code, names)
            names.update(inputs)
            context.run(exec, self._code, names)
            outputs = self._writer.write(names)
        except OutputError as error:
            failure = str(error)
        except LoadError as error:
            failure, trace = str(error), error.traceback_text
        except BaseException as error:
            failure, trace = error_message(error), _user_traceback(error)
        console = self._console.take()
        if not failure:
            try:
                return 200, self._answer("", outputs, console)
            except Exception as error:
                failure, trace = error_message(error), _user_traceback(error)
        return with_report(200, self._answer(failure, {}, console), FailureReport(failure, trace, console))

    def _answer(self, failure: str, outputs: Mapping[str, Any], console: str) -> bytes:
        self._touched = self._touched or self._directory.touched()
        if not (failure or console or self._touched or self._output_files):
            # What most calls answer, without building the rest each time.
            return _PLAIN_ANSWER + write_json(outputs) + b"}"
        return write_json(
            {
                "success": not failure,
                "errorMessage": failure,
                "consoleOutput": console,
                "changedFiles": [shown_name(name) for name in self._directory.changes()] if self._touched else [],
                "outputFiles": self._read_output_files(),
                "outputParameters": outputs,
            }
        )

    def _read_output_files(self) -> dict[str, str | None]:
        files: dict[str, str | None] = {}
        for name in self._output_files:
            path = self._directory.path / name
            # A link could name any file of the account.
            regular = path.is_file() and not path.is_symlink()
            files[name] = base64.b64encode(path.read_bytes()).decode("ascii") if regular else None
        return files

    def restore(self) -> None:
        """Put everything back for the next call; after the answer is out, so that nobody waits for it."""
        self._namespace.restore()
        stayed = self._process.restore()
        # Not before the call's objects are gone: files that it has left open are written when they are let go of.
        self.restore_files()
        if not stayed and not self._directory.in_place():
            self._directory.reset()
        if sys.stdout is not self._console or sys.stderr is not self._console:
            sys.stdout = sys.stderr = self._console
        # What the call's objects printed when they were let go of.
        self._console.take()

    def restore_files(self) -> None:
        """Put the working directory back if it was touched."""
        if self._touched or self._directory.touched():
            self._touched = False
            self._directory.reset()


def _compiled(code: str, filename: str) -> types.CodeType:
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    compiled: types.CodeType = compile_code(code, filename)
    return compiled


def _line_of(error: BaseException, filename: str) -> str:
    """Where in that code the error came from, as ` in line 3`; nothing when it came from elsewhere."""
    lines = [number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == filename]
    return f" in line {lines[-1]}" if lines else ""


def _user_traceback(error: BaseException) -> str:
    """The traceback without the frames of this module."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames))
    except BaseException as worse:
        return f"(its traceback can't be shown: {type(worse).__name__})"
