"""What services do and what changes: figures, failures, the change feed."""

from __future__ import annotations

from dataclasses import field

from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL


@dataclass(config=CAMEL)
class LatencyQuantiles:
    """How long calls took, in milliseconds, to 8 %: half of them, 90 and 99 in a hundred took no longer (ours). Null
    where there were none. From the arrival of the whole request to the answer, with the time in the queue."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
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


@dataclass(config=CAMEL)
class ServiceLog:
    """Answer of `getWebServiceLog` (ours): failed calls, the oldest first, and the `cursor` to ask for what comes after
    them. `dropped` is how many before them are no longer kept; null when the given cursor is of another log, such as
    that of before the server's start."""

    entries: list[FailedCall] = field(default_factory=list)
    cursor: str | None = None
    dropped: int | None = None


@dataclass(config=CAMEL)
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
