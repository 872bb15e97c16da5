"""Modules that lie in the working directory, whose files come with a snapshot."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import FileFinder
from pathlib import Path


@contextmanager
def files_written(directory: Path) -> Iterator[None]:
    """Around writing files of a snapshot into the working directory.

    Modules imported from there stay as they are when their files come out the same. When one of them differs they are
    all forgotten, so that what is restored, and the next import, gets the snapshot's; objects that the session has of
    the old modules keep them.
    """
    imported = _imported_from(directory)
    before = {path: _content(path) for path in imported.values()}
    yield
    _look_again(directory)
    if any(_content(path) != content for path, content in before.items()):
        for name in imported:
            sys.modules.pop(name, None)


def _look_again(directory: Path) -> None:
    """Have the folders searched for modules as they are now, and no others: what is cached of these lies in memory
    that is shared with other processes as long as nobody touches it."""
    here = str(directory.resolve())
    for place, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, FileFinder) and (place == "" or place == here or place.startswith(f"{here}{os.sep}")):
            finder.invalidate_caches()


def _imported_from(directory: Path) -> dict[str, Path]:
    """The imported modules whose files lie below the directory."""
    inside = f"{directory.resolve()}{os.sep}"
    places = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: Path(place) for name, place in places.items() if isinstance(place, str) and place.startswith(inside)}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
