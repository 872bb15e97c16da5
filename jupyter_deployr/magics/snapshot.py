"""`%snapshot`."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class

from jupyter_deployr.magics.options import argument, magic_arguments
from jupyter_deployr.magics.verbs import Verbs, verb

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import CreateSnapshotResponse

_LISTED = 5
_WORTH_LISTING = 1000


def print_unkept(snapshot: CreateSnapshotResponse) -> None:
    """One line for each name that the snapshot could not keep."""
    for unkept in snapshot.not_kept or []:
        print(f"Not kept: {unkept.name} ({unkept.type}): {unkept.reason}")


def size_line(snapshot: CreateSnapshotResponse) -> str:
    """Its size, and what takes most of it."""
    size = snapshot.content_size or 0
    largest = [each for each in snapshot.largest or [] if each.size >= max(_WORTH_LISTING, size / 100)][:_LISTED]
    listed = ", ".join(f"{each.name} {in_bytes(each.size)}" for each in largest)
    return f"{in_bytes(size)}{f'; largest: {listed}' if listed else ''}"


def in_bytes(size: int) -> str:
    """A size for people, such as 1.2 MB."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


@magics_class
class SnapshotVerbs(Verbs):
    """Saved workspaces."""

    @line_magic
    @verb()
    @magic_arguments()
    @argument("name", nargs="?", help="a name to find the snapshot by; it need not be unique")
    @argument("--only", metavar="VARIABLE", nargs="+", action="extend", help="save these variables and no others")
    @argument("--drop", metavar="NAME", nargs="+", action="extend", help="leave out these variables, files or folders")
    @argument("--strict", action="store_true", help="save nothing unless everything can be kept")
    def snapshot(self, options: Namespace, cell: None) -> str | None:
        """Save the remote session's variables and files, and return the snapshot's id.

        Shows its size with the largest objects, and names what can't be kept; everything else is saved.

        Example::

            %snapshot iris-trained
            %snapshot small --only clf names
            %snapshot --drop training_data raw.csv
        """
        from jupyter_deployr.protocol.models import CreateSnapshotRequest

        asked = CreateSnapshotRequest(options.name, options.only, options.drop, options.strict or None)
        snapshot = self.session.snapshot(asked)
        print(f"Saved {size_line(snapshot)}")
        print_unkept(snapshot)
        return snapshot.snapshot_id
