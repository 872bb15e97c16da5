"""One module per family of the API, each with a `router`."""

from jupyter_deployr.webnode.routes import login, services, sessions, snapshots, status

__all__ = ["login", "services", "sessions", "snapshots", "status"]
