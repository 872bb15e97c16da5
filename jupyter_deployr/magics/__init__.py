"""The magics: a notebook's cells sent to a remote session, its work published as services and called."""

from jupyter_deployr.magics.extension import register

__all__ = ["register"]
