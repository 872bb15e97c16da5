"""Names that Python itself puts into a workspace when code runs there: no object of the user's."""

from __future__ import annotations

PASSING_NAMES = frozenset({"__warningregistry__"})
"""Of no use to any other process: which warnings have been shown."""

LASTING_NAMES = frozenset({"__annotations__", "__annotate__", "__conditional_annotations__"})
"""What code may read again, so that snapshots keep it; but no list has it."""
