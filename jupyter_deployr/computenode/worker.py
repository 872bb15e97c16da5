"""A service worker: a process that holds one version's workspace and answers its calls, one after the other."""

from __future__ import annotations

import base64
import gc
import json
import linecache
import os
import random
import socket
import sys
import time
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_deployr.computenode.channel import Request, WorkerEnd
from jupyter_deployr.computenode.console import Console
from jupyter_deployr.computenode.definition import CodeError, ServiceDefinition, compile_code
from jupyter_deployr.computenode.namespace import CallNamespace
from jupyter_deployr.computenode.snapshot import Snapshot, SnapshotError
from jupyter_deployr.computenode.workdir import WorkingDirectory
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.parameters import InputReader, OutputError, OutputWriter
from jupyter_deployr.protocol.strict_json import write_json

_MAX_MESSAGE = 10_000


class LoadError(Exception):
    """A version that can't be loaded: the reason, and the traceback of its own code if it has one."""

    def __init__(self, message: str, traceback_text: str = "") -> None:
        super().__init__(message)
        self.traceback_text = traceback_text


def error_message(error: BaseException) -> str:
    """`NameError: name 'p' is not defined`, also for exceptions that can't be turned into text."""
    try:
        text = str(error)
    except BaseException as worse:
        text = f"(its text can't be shown: {type(worse).__name__})"
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:_MAX_MESSAGE]


def _user_traceback(error: BaseException) -> str:
    """The traceback without the frames of this module."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


class LoadedService:
    """One version, loaded into this process."""

    def __init__(self, definition: ServiceDefinition, directory: Path, pristine: Path) -> None:
        """Load snapshot, files and init code. Raises LoadError."""
        self._console = Console()
        sys.stdout = sys.stderr = self._console
        self._reader = InputReader(definition.inputs)
        self._writer = OutputWriter(definition.outputs)
        self._output_files = definition.output_files
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        names = vars(module)
        names["__builtins__"] = __builtins__
        try:
            self._code = _compiled(definition.code, definition.label)
            if definition.snapshot is not None:
                snapshot = Snapshot(Path(definition.snapshot))
                snapshot.write_files(directory)
                snapshot.load_into(names)
            if definition.init_code:
                exec(_compiled(definition.init_code, f"{definition.label} (initCode)"), names)  # noqa: S102
        except (CodeError, SnapshotError) as error:
            raise LoadError(str(error)) from error
        except BaseException as error:
            raise LoadError(f"The initCode failed: {error_message(error)}", _user_traceback(error)) from error
        self._directory = WorkingDirectory(directory, pristine)
        self._namespace = CallNamespace(names)
        self._console.take()

    def call(self, body: bytes) -> tuple[int, bytes]:
        """Run the code once on the inputs in `body`; returns the HTTP status and body of the answer.

        Nothing that the call does to the namespace or the working directory is left for the next one.
        """
        try:
            inputs = self._reader.read(body)
        except BadRequest as fault:
            return fault.status, write_json(fault.body)
        names = self._namespace.names
        names.update(inputs)
        failure = ""
        outputs: Mapping[str, Any] = {}
        try:
            exec(self._code, names)  # noqa: S102 - what a worker is for
            outputs = self._writer.write(names)
        except OutputError as error:
            failure = str(error)
        except BaseException as error:
            failure = error_message(error)
        answer = self._answer(failure, outputs)
        self._restore()
        return 200, answer

    def _answer(self, failure: str, outputs: Mapping[str, Any]) -> bytes:
        result = {
            "success": not failure,
            "errorMessage": failure,
            "consoleOutput": self._console.take(),
            "changedFiles": [],
            "outputFiles": {},
            "outputParameters": outputs,
        }
        touched = self._directory.touched()
        if touched:
            result["changedFiles"] = self._directory.changes()
        if self._output_files:
            result["outputFiles"] = self._read_output_files()
        try:
            return write_json(result)
        except Exception as error:
            result |= {"success": False, "errorMessage": error_message(error), "outputParameters": {}}
            return write_json(result)
        finally:
            if touched:
                self._directory.reset()

    def _read_output_files(self) -> dict[str, str | None]:
        files: dict[str, str | None] = {}
        for name in self._output_files:
            path = self._directory.path / name
            # A link could name any file of the account.
            regular = path.is_file() and not path.is_symlink()
            files[name] = base64.b64encode(path.read_bytes()).decode("ascii") if regular else None
        return files

    def _restore(self) -> None:
        self._namespace.restore()
        if sys.stdout is not self._console or sys.stderr is not self._console:
            sys.stdout = sys.stderr = self._console


def _compiled(code: str, filename: str) -> types.CodeType:
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    compiled: types.CodeType = compile_code(code, filename)
    return compiled


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for a worker runs: load the version that the first frame names, then answer calls."""
    random.seed()
    np.random.seed()
    sys.path.insert(0, "")
    end = WorkerEnd(channel)
    directory = Path(arguments["directory"])
    service: LoadedService | None = None
    for sequence, code, payload in end.frames():
        began = time.perf_counter_ns()
        if code == Request.LOAD:
            definition = ServiceDefinition.from_json(json.loads(payload))
            try:
                service = LoadedService(definition, directory, Path(arguments["pristine"]))
                status, answer = 200, b""
            except LoadError as error:
                status, answer = 400, write_json({"message": str(error), "traceback": error.traceback_text})
            except Exception as error:
                reason = {"message": error_message(error), "traceback": traceback.format_exc()}
                status, answer = 500, write_json(reason)
            gc.collect()
            gc.freeze()
        else:
            assert service is not None
            status, answer = service.call(payload)
        end.reply(answer, sequence, status, (time.perf_counter_ns() - began) // 1000)
    os._exit(0)
