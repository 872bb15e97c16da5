"""Handlers of loggers: they come back with a lock of their own, and open their file anew when they write to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.pickling.instances import new_instance
from jupyter_deployr.computenode.pickling.refusals import CannotKeep

_FILE = "baseFilename"


def reducer_in(directory: Path) -> Callable[[logging.Handler], Any]:
    """How handlers are reduced; a file that one writes to must lie in `directory`, the working directory."""

    def reduce(handler: logging.Handler) -> Any:
        attributes = {name: value for name, value in vars(handler).items() if name != "lock"}
        if isinstance(handler, logging.FileHandler):
            attributes |= {_FILE: _inside(directory, handler.baseFilename), "stream": None}
            # What it has written is there already.
            attributes["mode"] = handler.mode.replace("w", "a")
        return new_instance, (type(handler), object, ()), attributes, None, None, fill

    return reduce


def _inside(directory: Path, file: str) -> str:
    path = Path(file).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise CannotKeep("it writes to a file outside the working directory")
    return str(path.relative_to(directory.resolve()))


def fill(handler: logging.Handler, attributes: dict[str, Any]) -> None:
    """Give it its attributes, and all that making one does."""
    logging.Handler.__init__(handler)
    vars(handler).update(attributes)
    if isinstance(handler, logging.FileHandler):
        handler.baseFilename = os.path.abspath(handler.baseFilename)  # noqa: PTH100 - as the class itself does
