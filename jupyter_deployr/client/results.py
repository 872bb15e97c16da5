"""What a call of a service, or code in a session, answered, as Python values."""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from jupyter_deployr.protocol.errors import ExecutionFailed
from jupyter_deployr.protocol.models import ExecuteResponse, ParameterDefinition, WebServiceResult
from jupyter_deployr.protocol.values import READERS, Mismatch

Answer = TypeVar("Answer", WebServiceResult, ExecuteResponse)


class _Result(Generic[Answer]):
    """What code answered, in a service as in a session; `answer` is as it came."""

    def __init__(self, answer: Answer) -> None:
        self.answer: Answer = answer

    @property
    def success(self) -> bool:
        """Whether the code ran without an error and gave all outputs."""
        return bool(self.answer.success)

    @property
    def error_message(self) -> str:
        """Such as `NameError: name 'x' is not defined`; empty for a success."""
        return self.answer.error_message or ""

    @property
    def console_output(self) -> str:
        """What was printed, in a session also the text of the last expression."""
        return self.answer.console_output or ""

    @property
    def changed_files(self) -> list[str]:
        """The files of the working directory that were made or changed."""
        return self.answer.changed_files or []


class CallResult(_Result[WebServiceResult]):
    """The answer to one call, or to one record of a batch; `index` is the record's position, counted from 0."""

    def __init__(
        self, outputs: Sequence[ParameterDefinition], answer: WebServiceResult, index: int | None = None
    ) -> None:
        """`outputs` are the version's definitions."""
        super().__init__(answer)
        self._types = {str(each.name): each.type or "" for each in outputs}
        self.index = index

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Name → value, as service code gets its inputs: a vector is a 1-D numpy array (numbers with nulls are float64
        with NaN), a matrix a 2-D one, a data.frame a pandas DataFrame. What has no such form stays as it came."""
        values = self.answer.output_parameters or {}
        return {name: _as_value(self._types.get(name, ""), value) for name, value in values.items()}

    @property
    def value(self) -> Any:
        """What a function would return: the value of the only output, a dict of several, None without outputs.

        Raises ExecutionFailed when the call failed.
        """
        if not self.success:
            record = "" if self.index is None else f"Record {self.index}: "
            raise ExecutionFailed(f"{record}{self.error_message or 'The code failed.'}")
        if len(self._types) > 1:
            return self.outputs
        return next(iter(self.outputs.values()), None)

    @cached_property
    def files(self) -> dict[str, bytes | None]:
        """The output files of a call by their names; None for one that the code didn't write."""
        files = self.answer.output_files or {}
        return {name: None if text is None else base64.b64decode(text) for name, text in files.items()}

    def __repr__(self) -> str:
        where = "" if self.index is None else f" {self.index}"
        if not self.success:
            return f"<CallResult{where} failed: {self.error_message}>"
        return f"<CallResult{where}: {_shown(self.outputs)}>"


class ExecutionResult(_Result[ExecuteResponse]):
    """What code in a session answered."""

    @property
    def traceback(self) -> list[str]:
        """The formatted lines of the error."""
        return self.answer.traceback or []

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Name → JSON value of each output that was asked for."""
        return {str(each.name): each.value for each in self.answer.output_parameters or []}

    def raise_for_failure(self) -> None:
        """Raises ExecutionFailed, with the remote traceback, unless the code was a success."""
        if not self.success:
            raise ExecutionFailed(self.error_message or "The remote code failed.", traceback=self.traceback)

    def __repr__(self) -> str:
        if not self.success:
            return f"<ExecutionResult failed: {self.error_message}>"
        return f"<ExecutionResult: {_shown(self.outputs) or reprlib.repr(self.console_output)}>"


def _as_value(type_name: str, value: Any) -> Any:
    if value is None or type_name not in READERS:
        return value
    try:
        return READERS[type_name](value)
    except Mismatch:
        return value


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in values.items())
