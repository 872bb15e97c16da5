"""How deep code in C may call itself while it follows the objects of a session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The pickler takes some hundred bytes of the stack for each level; the usual stack of 8 MB holds several times as many.
_SAFE = 10_000


@contextmanager
def within_the_stack() -> Iterator[None]:
    """What goes too deep ends in a RecursionError meanwhile, also where a cell has raised the recursion limit so far
    that the stack would overflow before, which ends the process."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(min(limit, _SAFE))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
