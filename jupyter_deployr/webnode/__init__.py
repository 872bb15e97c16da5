"""The HTTP server: who may do what, what is kept, which process answers."""

from jupyter_deployr.computenode import ComputeSettings
from jupyter_deployr.webnode.administration import accounts_of, rotate_signing_key
from jupyter_deployr.webnode.auth import WeakPassword
from jupyter_deployr.webnode.serve import CannotStart, run
from jupyter_deployr.webnode.settings import Settings

__all__ = ["CannotStart", "ComputeSettings", "Settings", "WeakPassword", "accounts_of", "rotate_signing_key", "run"]
