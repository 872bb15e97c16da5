"""One module per family of the API."""

from jupyter_deployr.webnode.routes import login, services, sessions, snapshots, status

ROUTERS = (login.router, services.router, sessions.router, snapshots.router, status.router)

__all__ = ["ROUTERS"]
