"""What `%load_ext jupyter_deployr` does."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from jupyter_deployr.magics.connection import Connection
from jupyter_deployr.magics.consume import ConsumeVerbs
from jupyter_deployr.magics.live_session import LiveSession, notebook_path
from jupyter_deployr.magics.login import LoginVerbs
from jupyter_deployr.magics.publish import PublishVerbs
from jupyter_deployr.magics.remote import RemoteVerbs
from jupyter_deployr.magics.services import ServiceVerbs
from jupyter_deployr.magics.settings import DeployRMagics
from jupyter_deployr.magics.snapshot import SnapshotVerbs

_FAMILIES = (LoginVerbs, RemoteVerbs, SnapshotVerbs, PublishVerbs, ConsumeVerbs, ServiceVerbs)


def register(ipython: InteractiveShell) -> None:
    """Add the magics to `ipython`. They share one connection and one session; a second call changes nothing."""
    if any(isinstance(known, DeployRMagics) for known in ipython.configurables):
        return
    settings = DeployRMagics(parent=ipython)
    connection = Connection(settings)
    session = LiveSession(connection, lambda: notebook_path(ipython.user_ns))
    # Another server or account means another session.
    settings.observe(lambda change: session.forget(), names=["server", "username"])
    ipython.configurables.append(settings)  # type: ignore[arg-type]  # it is a list of any configurables
    for family in _FAMILIES:
        ipython.register_magics(family(ipython, connection, session))
