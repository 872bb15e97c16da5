"""Status APIs, and the open health routes."""

from __future__ import annotations

import platform
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from jupyter_deployr import __version__
from jupyter_deployr.protocol.models import StatusResponse
from jupyter_deployr.webnode.context import Caller, Node

router = APIRouter()


@router.get("/status", operation_id="status", tags=["Status APIs"])
async def status(node: Node, caller: Caller) -> StatusResponse:
    """Health of the server and of each of its parts."""
    ready = node.compute.ready
    compute = StatusResponse(
        "pass" if ready else "fail",
        {
            "pythonVersion": platform.python_version(),
            "pythonMaxPoolSize": node.settings.max_sessions,
            "pythonActiveShellCount": len(node.sessions.of(caller)),
            "pythonCanOpenShell": str(ready),
            "apiVersion": "1.0",
        },
        {},
    )
    components = {
        "authentication": StatusResponse("pass", {"type": "local"}, {}),
        "backends": StatusResponse(compute.status_code, {}, {"local": compute}),
        "database": StatusResponse("pass", {"type": node.settings.database_kind, "state": "Open"}, {}),
    }
    worst = "pass" if ready else "fail"
    services = node.catalog.all()
    broken = sum(node.catalog.broken(stored) is not None for stored in services)
    details = {"version": __version__, "services": len(services), "brokenServices": broken}
    return StatusResponse(worst, details, components)


@router.get("/healthz", include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Liveness: the process answers."""
    return {"status": "pass", "version": __version__}


@router.get("/readyz", include_in_schema=False)
async def readyz(node: Node) -> Any:
    """Readiness: user code can run."""
    if node.compute.ready:
        return {"status": "pass"}
    return JSONResponse({"status": "fail", "reason": "the compute node is starting"}, 503)
