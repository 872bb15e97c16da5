"""`%snapshot`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class

from jupyter_deployr.magics.options import argument, magic_arguments
from jupyter_deployr.magics.verbs import Verbs, verb

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import CreateSnapshotResponse


def print_unkept(snapshot: CreateSnapshotResponse) -> None:
    """One line for each name that the snapshot could not keep."""
    for unkept in snapshot.not_kept or []:
        print(f"Not kept: {unkept.name} ({unkept.type}): {unkept.reason}")


@magics_class
class SnapshotVerbs(Verbs):
    """Saved workspaces."""

    @line_magic
    @verb()
    @magic_arguments()
    @argument("name", nargs="?", help="a name to find the snapshot by; it need not be unique")
    def snapshot(self, options: Namespace, cell: None) -> str | None:
        """Save the remote session's variables and files, and return the snapshot's id.

        What can't be saved is named; everything else is saved.

        Example::

            %snapshot iris-trained
        """
        snapshot = self.session.snapshot(options.name)
        print_unkept(snapshot)
        return snapshot.snapshot_id
