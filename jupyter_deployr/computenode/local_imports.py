"""Modules of the working directory that a call is the first to import."""

from __future__ import annotations

import sys
import types
from itertools import islice

from jupyter_deployr.computenode.reach import made_here, working_directory


class LocalImports:
    """Remembers how many modules are imported when it is made, and forgets the version's own that come after them.

    What such a module does to others when it is imported, such as entering itself in a list of theirs or being bound in
    its package, is undone like all that a call does; so the next call has to import it again.
    """

    def __init__(self) -> None:
        self._directory = working_directory()
        self._count = len(sys.modules)

    def forget(self) -> None:
        """Forget the version's modules imported since; those of libraries stay."""
        if len(sys.modules) == self._count:
            return
        # The latest stand last, and the others lie in memory that is shared as long as nobody looks at them.
        for name in list(islice(reversed(sys.modules), max(0, len(sys.modules) - self._count))):
            module = sys.modules[name]
            if isinstance(module, types.ModuleType) and made_here(vars(module), self._directory):
                del sys.modules[name]
        self._count = len(sys.modules)
