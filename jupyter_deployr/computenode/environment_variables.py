"""The environment variables of a process, as Python sees them and as the C library has them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator


class EnvironmentVariables:
    """Remembers the variables as they are when it is made; `changed` says whether they are others now."""

    def __init__(self) -> None:
        self._variables = dict(os.environ)
        self.changed = _watch()

    def restore(self) -> None:
        """Put the variables back, also those that `os.putenv` has set."""
        for name in list(_names_in_c()):
            os.unsetenv(name)
        os.environ.clear()
        os.environ.update(self._variables)
        self.changed = _watch()


def _watch() -> Callable[[], bool]:
    """Whether a variable has been set or removed.

    The C library lays a new text into its table for each change, so the table is looked at in memory: comparing the
    variables would cost twice as much, and not see those that Python doesn't know of.
    """
    table = _table()
    if table is None:
        variables = os.environ.copy()
        return lambda: os.environ != variables
    start = table.value
    if not start:
        return lambda: bool(table.value)
    # With the null pointer at its end, which an added variable takes the place of.
    length = len(list(_names_in_c())) + 1
    entries = (ctypes.c_char * (length * ctypes.sizeof(ctypes.c_void_p))).from_address(start)
    before = entries.raw
    return lambda: table.value != start or entries.raw != before


def _names_in_c() -> Iterator[bytes]:
    """The names of all variables in the C library's table; none where it isn't known."""
    table = _table()
    place = table.value if table is not None else None
    while place and (text := ctypes.c_char_p.from_address(place).value) is not None:
        yield text.partition(b"=")[0]
        place += ctypes.sizeof(ctypes.c_void_p)


def _table() -> ctypes.c_void_p | None:
    return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ") if sys.platform == "linux" else None
