"""Pickling a workspace so that it comes back whole."""

from jupyter_deployr.computenode.pickling.pickler import Stream, Workspace, WorkspacePickler, unpickler_into
from jupyter_deployr.computenode.pickling.refusals import CannotKeep

__all__ = ["CannotKeep", "Stream", "Workspace", "WorkspacePickler", "unpickler_into"]
