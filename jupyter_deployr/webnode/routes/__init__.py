"""One module per family of the API, each with a `router`."""

from jupyter_deployr.webnode.routes import (
    batches,
    compute_nodes,
    documents,
    environment,
    executions,
    login,
    pages,
    realtime,
    service_pools,
    services,
    session_files,
    sessions,
    snapshots,
    status,
    workspace,
)

__all__ = [
    "batches",
    "compute_nodes",
    "documents",
    "environment",
    "executions",
    "login",
    "pages",
    "realtime",
    "service_pools",
    "services",
    "session_files",
    "sessions",
    "snapshots",
    "status",
    "workspace",
]
