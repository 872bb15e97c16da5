"""The server itself: service pools, compute nodes, its Python, its state, and the body of every error."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL, PASCAL


@dataclass(config=PASCAL)
class CreateOrUpdateServicePoolRequest:
    """`createOrUpdateServicePool`: how many workers to start now, and how many there may be at most."""

    initial_pool_size: int | None = Field(default=None, strict=True)
    max_pool_size: int | None = Field(default=None, strict=True)


@dataclass(config=PASCAL)
class ServicePoolStatusResponse:
    """The workers of a version on one compute node: `Success` (all run), `Pending` (they are starting), `NotFound`."""

    compute_node_endpoint: str | None = None
    status: str | None = None


@dataclass(config=CAMEL)
class GetComputeNodesResponse:
    """Answer of `getComputeNodes`: the endpoints of the compute nodes."""

    compute_nodes: list[str] | None = None


@dataclass(config=CAMEL)
class UpdateComputeNodesRequest:
    """`setComputeNodes`, `addComputeNode` and `removeComputeNode`: endpoints of compute nodes."""

    entries: list[str] | None = None


@dataclass(config=CAMEL)
class Environment:
    """Answer of `getEnvironment` (ours): what sessions and services run on. `distributions` maps names to versions."""

    python_version: str | None = None
    implementation: str | None = None
    platform: str | None = None
    distributions: dict[str, str] = field(default_factory=dict)


@dataclass(config=CAMEL)
class StatusResponse:
    """Health of the server or of one of its components: `pass`, `warn` or `fail`."""

    status_code: str | None = None
    details: dict[str, Any] | None = None
    components: dict[str, StatusResponse] | None = None


@dataclass(config=CAMEL)
class Error:
    """The body of every error response: the union of the core API's members and the service documents'."""

    message: str | None = None
    code: int | None = field(default=None, kw_only=True)
    link: str | None = None
    exception_type: str | None = None
    fields: str | None = field(default=None, kw_only=True)
