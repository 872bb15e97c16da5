"""Requests and responses, under their API names: one definition for client and server.

Each model is a pydantic dataclass: positional construction in the order of the published description, snake_case
attributes, camelCase members on the wire (`AccessTokenResponse` travels in snake_case, as it always has). Every
member is optional here as it is in the published description; what an operation needs, it checks itself.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.strict_json import write_json_with_nan

# No inputs in validation errors: they may be passwords and tokens.
_CAMEL = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, hide_input_in_errors=True)
# Some servers write `expires_on` as a number.
_SNAKE = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)


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
    """`createSession`. `snapshot_id` preloads one of the caller's snapshots."""

    name: str | None = None
    snapshot_id: str | None = None
    runtime_type: str | None = None


@dataclass(config=_CAMEL)
class CreateSessionResponse:
    """Answer of `createSession`."""

    session_id: str | None = None


@dataclass(config=_CAMEL)
class Session:
    """A live session of the caller."""

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    runtime_type: str | None = None


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
    """`CreateSnapshot`: a name for people; it need not be unique."""

    name: str | None = None


@dataclass(config=_CAMEL)
class UnkeptObject:
    """A name that a snapshot could not keep: the type of its value and the reason (ours)."""

    name: str
    type: str
    reason: str


@dataclass(config=_CAMEL)
class CreateSnapshotResponse:
    """Answer of `CreateSnapshot`. `not_kept` (ours) names what could not be saved; everything else was."""

    snapshot_id: str | None = None
    not_kept: list[UnkeptObject] | None = None


@dataclass(config=_CAMEL)
class Snapshot:
    """A stored snapshot of the caller. `creation_time` is local ISO 8601, `content_size` bytes."""

    id: str | None = None
    name: str | None = None
    owner: str | None = None
    creation_time: str | None = None
    content_size: int | None = None


@dataclass(config=_CAMEL)
class ParameterDefinition:
    """An input or output of a service: its name and one of the server's parameter types."""

    name: str | None = None
    type: str | None = None


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

    `isolation` (ours) is what separates its calls, `notes` (ours) what they may leave behind all the same.
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
