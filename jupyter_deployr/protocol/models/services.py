"""Services: their versions, their parameters, and the answer of a call."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL

# What it may be depends on the type of the parameter, so the server looks at it with that in hand.
_A_NUMBER = WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})


def _not_given(value: Any) -> bool:
    return value is None


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
class WebServiceResult:
    """Answer of a service call. `output_parameters` maps name to value, `output_files` name to base64 or null."""

    success: bool | None = None
    error_message: str | None = None
    console_output: str | None = None
    changed_files: list[str] | None = None
    output_files: dict[str, str | None] | None = None
    output_parameters: dict[str, Any] | None = None
