"""What the calls of a version do, among the services management APIs: figures for everybody, failures for its
publisher."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from jupyter_deployr.computenode import ServicePool
from jupyter_deployr.protocol.errors import Forbidden
from jupyter_deployr.protocol.models import (
    FailedCall,
    LatencyQuantiles,
    MinuteStats,
    ServiceLog,
    ServiceStats,
    WorkerStats,
)
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.call_figures import CallCounts, MinuteCounts
from jupyter_deployr.webnode.context import Caller, Node
from jupyter_deployr.webnode.failure_log import Failure
from jupyter_deployr.webnode.latencies import milliseconds
from jupyter_deployr.webnode.times import creation_time

router = APIRouter(prefix="/services/{name}/{version}", tags=["Services Management APIs"])

_MINUTE_SECONDS = 60


@router.get("/stats", operation_id="getWebServiceStats", responses=failing(404))
async def get_web_service_stats(name: str, version: str, node: Node, caller: Caller) -> ServiceStats:
    """How often a version is called and how long that takes: since the server's start, and minute by minute for the
    last hour, the oldest first. Records of batches are not counted."""
    published = node.catalog.get(name, version)
    figures, pool = published.activity.figures, published.pool
    total = figures.total()
    return ServiceStats(
        name=name,
        version=version,
        since=creation_time(figures.since),
        calls=total.calls,
        user_errors=total.user_errors,
        client_errors=total.client_errors,
        server_errors=total.server_errors,
        latency=_quantiles(total),
        waiting=pool.waiting,
        workers=_workers(pool),
        minutes=[_minute(counts) for counts in figures.minutes()],
    )


def _quantiles(counts: CallCounts) -> LatencyQuantiles:
    return LatencyQuantiles(*(milliseconds(counts.buckets, quantile) for quantile in (0.5, 0.9, 0.99)))


def _workers(pool: ServicePool) -> WorkerStats:
    return WorkerStats(
        size=pool.size,
        ready=pool.workers,
        busy=pool.busy,
        starting=pool.starting,
        started=pool.started,
        lost=pool.lost,
    )


def _minute(counts: MinuteCounts) -> MinuteStats:
    return MinuteStats(
        time=creation_time(counts.number * _MINUTE_SECONDS),
        calls=counts.calls,
        user_errors=counts.user_errors,
        client_errors=counts.client_errors,
        server_errors=counts.server_errors,
        latency=_quantiles(counts),
        waiting=counts.waiting,
        busy=counts.busy,
        workers=counts.workers,
    )


@router.get("/log", operation_id="getWebServiceLog", responses=failing(403, 404))
async def get_web_service_log(
    name: str,
    version: str,
    node: Node,
    caller: Caller,
    after: Annotated[str | None, Query(description="The `cursor` of the last answer: what came since then.")] = None,
) -> ServiceLog:
    """The latest calls of a version that failed, the oldest first, for its publisher and Owners: calls whose code
    raised, whose process ended, that ran for too long or found no worker."""
    published = node.catalog.get(name, version)
    if not caller.may_change(published.stored.published_by):
        raise Forbidden(f"Only its publisher and Owners may read the log of {name} {version}.")
    failures, dropped = published.activity.failures.after(after)
    return ServiceLog([_failed(failure) for failure in failures], published.activity.failures.cursor, dropped)


def _failed(failure: Failure) -> FailedCall:
    report = failure.read()
    return FailedCall(
        request_id=failure.request_id,
        time=creation_time(failure.time),
        status=failure.status,
        error_message=report.message,
        traceback=report.traceback,
        console_output=report.console,
    )
