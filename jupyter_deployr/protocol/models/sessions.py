"""Sessions: what is in them, what they execute, and help with code."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL


@dataclass(config=CAMEL)
class WorkspaceObject:
    """A name in a session and its value, any JSON."""

    name: str | None = None
    value: Any = None


@dataclass(config=CAMEL)
class CreateSessionRequest:
    """`createSession`. `snapshot_id` preloads one of the caller's snapshots; `client` (ours) says what uses the
    session, such as a notebook's path."""

    name: str | None = None
    snapshot_id: str | None = None
    runtime_type: str | None = None
    client: str | None = Field(default=None, max_length=1000)


@dataclass(config=CAMEL)
class CreateSessionResponse:
    """Answer of `createSession`. `differences` (ours) says how the packages of the server differ from those that the
    snapshot was made with."""

    session_id: str | None = None
    differences: list[str] = field(default_factory=list)


@dataclass(config=CAMEL)
class Session:
    """A live session of the caller."""

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    runtime_type: str | None = None


@dataclass(config=CAMEL)
class SessionDetails:
    """Answer of `getSession` (ours): what a live session is and does.

    `state` is `busy` while it works on a request and `idle` otherwise; `executing_since`, when the code that runs
    began to, and `idle_since`, when the last request ended, are local ISO 8601 and null in the other case. `memory` is
    bytes that it shares with no other process, `client` what uses it.
    """

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    runtime_type: str | None = None
    state: str | None = None
    executing_since: str | None = None
    idle_since: str | None = None
    memory: int | None = None
    client: str | None = None
    python_version: str | None = None


@dataclass(config=CAMEL)
class ConsoleOutputResponse:
    """Answer of `getSessionConsoleOutput`: what the current or the last execution has printed."""

    console_output: str | None = None


@dataclass(config=CAMEL)
class CompleteRequest:
    """`completeCode` (ours): what could stand in `code` at `cursor_pos`, in characters; at its end by default."""

    code: str | None = None
    cursor_pos: int | None = None


@dataclass(config=CAMEL)
class InspectRequest:
    """`inspectCode` (ours): what stands in `code` at `cursor_pos`, in characters; at its end by default.
    `detail_level` 1 asks for its source too."""

    code: str | None = None
    cursor_pos: int | None = None
    detail_level: int | None = Field(default=None, ge=0, le=1)


@dataclass(config=CAMEL)
class ExecuteRequest:
    """`executeCode`: inputs become variables before the code runs, outputs are read after it."""

    code: str | None = None
    input_parameters: list[WorkspaceObject] | None = None
    output_parameters: list[str] | None = None


@dataclass(config=CAMEL)
class ExecuteResponse:
    """Answer of `executeCode`, also when the code raised (`success` is false then).

    `console_output` is stdout, stderr and the text of the last expression, in order; `changed_files` the names of the
    working directory's files that the execution made or changed; `traceback` (ours) the formatted lines of the error.
    """

    success: bool | None = None
    error_message: str | None = None
    output_parameters: list[WorkspaceObject] | None = None
    console_output: str | None = None
    changed_files: list[str] | None = None
    traceback: list[str] | None = None
