"""Requests and responses, under their API names: one definition for client and server.

Each model is a pydantic dataclass: positional construction in the order of the published description, snake_case
attributes, camelCase members on the wire (`AccessTokenResponse` travels in snake_case, as it always has). Every
member is optional here as it is in the published description; what an operation needs, it checks itself.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter, WithJsonSchema
from pydantic.alias_generators import to_camel, to_pascal
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.strict_json import write_json_with_nan

# No inputs in validation errors: they may be passwords and tokens.
_CAMEL = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, hide_input_in_errors=True)
_PASCAL = ConfigDict(
    alias_generator=to_pascal, populate_by_name=True, serialize_by_alias=True, hide_input_in_errors=True
)
# Some servers write `expires_on` as a number.
_SNAKE = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)


# What it may be depends on the type of the parameter, so the server looks at it with that in hand.
_A_NUMBER = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})


def _not_given(value: Any) -> bool:
    return value is None


DEFAULT_PARALLEL_COUNT = 10
"""How many records of a batch are worked on at a time, where a request doesn't say."""


@dataclass(config=_CAMEL)
class LoginRequest:
    """`login`: the account's name and password."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(config=_SNAKE)
class AccessTokenResponse:
    """Answer of `login` and `renewToken`. `expires_on` is epoch seconds as text, `expires_in` seconds from now."""

    token_type: str | None = None
    access_token: str | None = field(default=None, repr=False)
    expires_in: int | None = field(default=None, kw_only=True)  # travels, but is not in the published description
    expires_on: str | None = None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(config=_CAMEL)
class RenewTokenRequest:
    """`renewToken`: a refresh token that has not been used yet."""

    refresh_token: str | None = field(default=None, repr=False)


@dataclass(config=_CAMEL)
class WorkspaceObject:
    """A name in a session and its value, any JSON."""

    name: str | None = None
    value: Any = None


@dataclass(config=_CAMEL)
class CreateSessionRequest:
    """`createSession`. `snapshot_id` preloads one of the caller's snapshots; `client` (ours) says what uses the
    session, such as a notebook's path."""

    name: str | None = None
    snapshot_id: str | None = None
    runtime_type: str | None = None
    client: str | None = Field(default=None, max_length=1000)


@dataclass(config=_CAMEL)
class CreateSessionResponse:
    """Answer of `createSession`. `differences` (ours) says how the packages of the server differ from those that the
    snapshot was made with."""

    session_id: str | None = None
    differences: list[str] = field(default_factory=list)


@dataclass(config=_CAMEL)
class Session:
    """A live session of the caller."""

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    runtime_type: str | None = None


@dataclass(config=_CAMEL)
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


@dataclass(config=_CAMEL)
class ConsoleOutputResponse:
    """Answer of `getSessionConsoleOutput`: what the current or the last execution has printed."""

    console_output: str | None = None


@dataclass(config=_CAMEL)
class CompleteRequest:
    """`completeCode` (ours): what could stand in `code` at `cursor_pos`, in characters; at its end by default."""

    code: str | None = None
    cursor_pos: int | None = None


@dataclass(config=_CAMEL)
class InspectRequest:
    """`inspectCode` (ours): what stands in `code` at `cursor_pos`, in characters; at its end by default.
    `detail_level` 1 asks for its source too."""

    code: str | None = None
    cursor_pos: int | None = None
    detail_level: int | None = Field(default=None, ge=0, le=1)


@dataclass(config=_CAMEL)
class Environment:
    """Answer of `getEnvironment` (ours): what sessions and services run on. `distributions` maps names to versions."""

    python_version: str | None = None
    implementation: str | None = None
    platform: str | None = None
    distributions: dict[str, str] = field(default_factory=dict)


@dataclass(config=_CAMEL)
class ExecuteRequest:
    """`executeCode`: inputs become variables before the code runs, outputs are read after it."""

    code: str | None = None
    input_parameters: list[WorkspaceObject] | None = None
    output_parameters: list[str] | None = None


@dataclass(config=_CAMEL)
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


@dataclass(config=_CAMEL)
class CreateSnapshotRequest:
    """`CreateSnapshot`: a name for people; it need not be unique.

    Ours: `only` are the variables to save, `drop` variables, files and folders to leave out; with `strict` nothing is
    saved unless everything can be.
    """

    name: str | None = None
    only: list[str] | None = None
    drop: list[str] | None = None
    strict: bool | None = None


@dataclass(config=_CAMEL)
class UnkeptObject:
    """A name that a snapshot could not keep: the type of its value and the reason (ours)."""

    name: str
    type: str
    reason: str


@dataclass(config=_CAMEL)
class SavedObject:
    """A variable or file of a snapshot and its size in bytes (ours)."""

    name: str
    size: int


@dataclass(config=_CAMEL)
class CreateSnapshotResponse:
    """Answer of `CreateSnapshot`. Ours: `not_kept` names what could not be saved; everything else was. `content_size`
    is bytes, `largest` the largest variables and files in it."""

    snapshot_id: str | None = None
    not_kept: list[UnkeptObject] | None = None
    content_size: int | None = None
    largest: list[SavedObject] | None = None


@dataclass(config=_CAMEL)
class SnapshotProgress:
    """How far a snapshot has come: the variable or file at hand, and the bytes written so far (ours)."""

    name: str
    written: int


@dataclass(config=_CAMEL)
class Snapshot:
    """A stored snapshot of the caller. `creation_time` is local ISO 8601, `content_size` its bytes on disk: the zip is
    written anew each time it is downloaded, and its size not known before.

    Ours: the Python that made it, the `distributions` that it needs with their versions, how the server's differ, what
    could not be kept, and its largest variables and files.
    """

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    creation_time: str | None = None
    content_size: int | None = None
    python_version: str | None = None
    platform: str | None = None
    distributions: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    not_kept: list[UnkeptObject] = field(default_factory=list)
    largest: list[SavedObject] = field(default_factory=list)


@dataclass(config=_CAMEL)
class LoadSnapshotResponse:
    """Answer of `LoadSnapshot` (ours; the published description has none): how the packages of the server differ from
    those that the snapshot was made with."""

    differences: list[str] = field(default_factory=list)


@dataclass(config=_CAMEL)
class ParameterDefinition:
    """An input or output of a service: its name and one of the server's parameter types.

    Ours, of which those that aren't given don't travel: `description`; `default`, the value of an input that a call
    doesn't give; `enum`, `minimum` and `maximum`, the values that an input takes, of a vector or matrix each element;
    and an `example`.
    """

    name: str | None = None
    type: str | None = None
    description: str | None = Field(default=None, exclude_if=_not_given)
    default: Any = Field(default=None, exclude_if=_not_given)
    enum: list[Any] | None = Field(default=None, exclude_if=_not_given)
    minimum: Annotated[Any, _A_NUMBER] = Field(default=None, exclude_if=_not_given)
    maximum: Annotated[Any, _A_NUMBER] = Field(default=None, exclude_if=_not_given)
    example: Any = Field(default=None, exclude_if=_not_given)


@dataclass(config=_CAMEL)
class PublishWebServiceRequest:
    """`publishWebService`, `publishWebServiceVersion` and `patchWebServiceVersion`.

    In a patch, a missing or null member keeps what is there and an empty list sets it to none. `isolation` (ours) is
    what separates calls: `namespace`, `reload` or `process`.
    """

    snapshot_id: str | None = None
    code: str | None = None
    description: str | None = None
    operation_id: str | None = None
    input_parameter_definitions: list[ParameterDefinition] | None = None
    output_parameter_definitions: list[ParameterDefinition] | None = None
    runtime_type: str | None = None
    init_code: str | None = None
    output_file_names: list[str] | None = None
    isolation: str | None = None


@dataclass(config=_CAMEL)
class WebService:
    """A published version. `code` and `init_code` are null for those who may not see them.

    `isolation` (ours) is what separates its calls, `notes` (ours) what they may leave behind all the same, and
    `differences` (ours) how the server's packages differ from those that its snapshot was made with. `broken` (ours) is
    null, or says why calls can't be answered and what to do.
    """

    name: str
    version: str
    version_published_by: str | None = None
    creation_time: str | None = None
    snapshot_id: str | None = None
    runtime_type: str | None = None
    init_code: str | None = None
    code: str | None = None
    description: str | None = None
    operation_id: str | None = None
    input_parameter_definitions: list[ParameterDefinition] = field(default_factory=list)
    output_parameter_definitions: list[ParameterDefinition] = field(default_factory=list)
    output_file_names: list[str] = field(default_factory=list)
    my_permission_on_service: str | None = None
    owner: str | None = None
    isolation: str | None = None
    notes: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    broken: str | None = None


@dataclass(config=_CAMEL)
class WebServiceResult:
    """Answer of a service call. `output_parameters` maps name to value, `output_files` name to base64 or null."""

    success: bool | None = None
    error_message: str | None = None
    console_output: str | None = None
    changed_files: list[str] | None = None
    output_files: dict[str, str | None] | None = None
    output_parameters: dict[str, Any] | None = None


@dataclass(config=_CAMEL)
class LatencyQuantiles:
    """How long calls took, in milliseconds, to 8 %: half of them, 90 and 99 in a hundred took no longer (ours). Null
    where there were none. From the arrival of the whole request to the answer, with the time in the queue."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


@dataclass(config=_CAMEL)
class WorkerStats:
    """The workers of a version now (ours): `size`, as many as it has once they have been needed, those that are
    `ready`, of them those with a call, and those that are `starting`. `started` and `lost`, those that ended by
    themselves, count since the version was patched last or its workers were ended."""

    size: int = 0
    ready: int = 0
    busy: int = 0
    starting: int = 0
    started: int = 0
    lost: int = 0


@dataclass(config=_CAMEL)
class MinuteStats:
    """The calls of a version in one minute (ours), which begins at `time` (local ISO 8601). `user_errors` are calls
    whose code failed, `client_errors` and `server_errors` those answered with 4xx and 5xx. `waiting`, `busy` and
    `workers` are the most that a look each second has found."""

    time: str | None = None
    calls: int = 0
    user_errors: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latency: LatencyQuantiles = field(default_factory=LatencyQuantiles)
    waiting: int = 0
    busy: int = 0
    workers: int = 0


@dataclass(config=_CAMEL)
class ServiceStats:
    """Answer of `getWebServiceStats` (ours): the calls of a version from `since` (local ISO 8601), when the server
    started or it was published, and in each of the last 60 minutes, the oldest first. `waiting` are in its queue."""

    name: str | None = None
    version: str | None = None
    since: str | None = None
    calls: int = 0
    user_errors: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latency: LatencyQuantiles = field(default_factory=LatencyQuantiles)
    waiting: int = 0
    workers: WorkerStats = field(default_factory=WorkerStats)
    minutes: list[MinuteStats] = field(default_factory=list)


@dataclass(config=_CAMEL)
class FailedCall:
    """A call that failed (ours): the id in the header `X-Request-Id` of its answer, when (local ISO 8601), and the HTTP
    status of the answer, which is 200 when the code raised. `traceback` and `console_output` are empty where there is
    none, and of long ones the end."""

    request_id: str | None = None
    time: str | None = None
    status: int | None = None
    error_message: str | None = None
    traceback: str | None = None
    console_output: str | None = None


@dataclass(config=_CAMEL)
class ServiceLog:
    """Answer of `getWebServiceLog` (ours): failed calls, the oldest first, and the `cursor` to ask for what comes after
    them. `dropped` is how many before them are no longer kept; null when the given cursor is of another log, such as
    that of before the server's start."""

    entries: list[FailedCall] = field(default_factory=list)
    cursor: str | None = None
    dropped: int | None = None


@dataclass(config=_CAMEL)
class ChangeEvent:
    """An event of `followChanges` (ours), and the `cursor` to go on from after it.

    `kind` is `service`, `session`, `snapshot`, or `reset`: list anew. `change` is `created`, `changed` or `removed`. A
    service has `name` and `version`, the others `id` and `name`; a session that began or ended working has a `state`
    (`busy`, `idle`), and one that ended by itself the `reason`. `time` is local ISO 8601.
    """

    kind: str
    change: str | None = None
    name: str | None = None
    version: str | None = None
    id: str | None = None
    owner: str | None = None
    state: str | None = None
    reason: str | None = None
    time: str | None = None
    cursor: str | None = None


@dataclass(config=_CAMEL)
class StartBatchExecutionResponse:
    """Answer of `StartBatchExecution`. It travels under both spellings that servers and clients have used."""

    batch_execution_id: str | None = Field(
        default=None, validation_alias=AliasChoices("batchExecutionId", "BatchExecutionId", "batch_execution_id")
    )


@dataclass(config=_CAMEL)
class BatchWebServiceResult:
    """Answer of `GetBatchExecutionStatus`. `state` is one of `Pending`, `Ready`, `InProgress`, `Complete`, `Failed`.

    `batch_execution_results` are at their records' positions: up to the first record that has none yet, or none until
    the end when partial results were not wanted. `error_message` (ours) says why the execution failed.
    """

    state: str | None = None
    completed_item_count: int | None = None
    total_item_count: int | None = None
    batch_execution_results: list[WebServiceResult] | None = None
    error_message: str | None = None


@dataclass(config=_PASCAL)
class CreateOrUpdateServicePoolRequest:
    """`createOrUpdateServicePool`: how many workers to start now, and how many there may be at most."""

    initial_pool_size: int | None = Field(default=None, strict=True)
    max_pool_size: int | None = Field(default=None, strict=True)


@dataclass(config=_PASCAL)
class ServicePoolStatusResponse:
    """The workers of a version on one compute node: `Success` (all run), `Pending` (they are starting), `NotFound`."""

    compute_node_endpoint: str | None = None
    status: str | None = None


@dataclass(config=_CAMEL)
class GetComputeNodesResponse:
    """Answer of `getComputeNodes`: the endpoints of the compute nodes."""

    compute_nodes: list[str] | None = None


@dataclass(config=_CAMEL)
class UpdateComputeNodesRequest:
    """`setComputeNodes`, `addComputeNode` and `removeComputeNode`: endpoints of compute nodes."""

    entries: list[str] | None = None


@dataclass(config=_CAMEL)
class StatusResponse:
    """Health of the server or of one of its components: `pass`, `warn` or `fail`."""

    status_code: str | None = None
    details: dict[str, Any] | None = None
    components: dict[str, StatusResponse] | None = None


@dataclass(config=_CAMEL)
class Error:
    """The body of every error response: the union of the core API's members and the service documents'."""

    message: str | None = None
    code: int | None = field(default=None, kw_only=True)
    link: str | None = None
    exception_type: str | None = None
    fields: str | None = field(default=None, kw_only=True)


def to_wire(model: Any) -> bytes:
    """A model, or a list of them, as the request body that travels. Null members are left out, as clients expect.

    Values may be arrays and frames, as `write_json` takes them; nulls inside a value stay, and so do NaN and the
    infinities, as bare tokens: of null, remote code would get None. Raises TypeError naming the type that has no JSON
    form.
    """
    return write_json_with_nan(TypeAdapter(type(model)).dump_python(model, by_alias=True, exclude_none=True))
