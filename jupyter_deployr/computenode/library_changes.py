"""What cells have changed of the process and its libraries: saved beside the names of a workspace, and made again.

Kept are what was put on modules and classes (`json.dumps = mine`), options, warning filters, and how logging is set up.
Environment variables and the current directory are told, not kept: the first are often secrets, the second is each
process's own.
"""

from __future__ import annotations

import os
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jupyter_deployr.computenode import library_options, logging_setup
from jupyter_deployr.computenode.imported_variables import set_by_import, watch_imports
from jupyter_deployr.computenode.library_patches import label, patches, remember_kernel, remember_modules
from jupyter_deployr.computenode.pickling import CannotKeep, Workspace
from jupyter_deployr.computenode.random_states import foreign_bit_generator


@dataclass(frozen=True)
class Change:
    """Something to be made again: what it is about, and what it is to be."""

    kind: str
    where: Any
    value: Any

    def make(self) -> None:
        """Make it so in this process. Raises whatever the library has against it."""
        _MAKERS[self.kind](self.where, self.value)

    @property
    def place(self) -> tuple[str, str] | None:
        """For what was put on a module or class: the module, and the name in it, which it now stands under."""
        if self.kind != _PATCH:
            return None
        owner, name = self.where
        if isinstance(owner, types.ModuleType):
            return owner.__name__, name
        return owner.__module__, f"{owner.__qualname__}.{name}"


class _Told:
    """A change that is named and not kept."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __reduce__(self) -> NoReturn:
        raise CannotKeep(self._reason)


class EnvironmentVariable(_Told):
    """A variable of the environment."""


class CurrentDirectory(_Told):
    """Where the process stands."""


class BitGenerator(_Told):
    """What draws the bits for numpy's global generator."""


class LibraryState:
    """How libraries are set up at a moment."""

    def __init__(self) -> None:
        """At this moment."""
        watch_imports()
        remember_modules()
        remember_kernel()
        self._options = library_options.options_now()
        self._filters = list(warnings.filters)
        self._logging = logging_setup.LoggingSetup()
        self._environment = dict(os.environ)

    def changes(self, workspace: Workspace, directory: Path) -> dict[str, Any]:
        """What has changed since, by what it is called; `directory` is where the process stood."""
        changes: dict[str, Any] = {
            f"{label(owner)}.{name}": Change(_PATCH, (owner, name), value) for owner, name, value in patches(workspace)
        }
        for (library, name), value in library_options.changed_options(self._options).items():
            changes[f"{library} option {name}"] = Change(library, name, value)
        if list(warnings.filters) != self._filters:
            changes["warnings.filters"] = Change("warnings", None, list(warnings.filters))
        for called, kind, where, value in self._logging.changes():
            changes[called] = Change(kind, where, value)
        return changes | self._changed_process(directory)

    def _changed_process(self, directory: Path) -> dict[str, _Told]:
        here = Path.cwd()
        told: dict[str, _Told] = {
            f"os.environ[{name!r}]": EnvironmentVariable("environment variables are not saved: set it where it is used")
            for name, value in os.environ.items()
            if self._environment.get(name) != value and not set_by_import(name)
        }
        if here.resolve() != directory.resolve():
            reason = "a restored session stands in its working directory: give paths from there"
            told["the current directory"] = CurrentDirectory(reason)
        foreign = foreign_bit_generator()
        if foreign is not None:
            told["numpy.random"] = BitGenerator(f"the state of a {foreign} can't be told: use one of numpy's own")
        return told


_PATCH = "patch"


def _patch(where: tuple[Any, str], value: Any) -> None:
    setattr(*where, value)


def _set_filters(_: None, filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


_MAKERS: dict[str, Callable[[Any, Any], None]] = {
    _PATCH: _patch,
    "warnings": _set_filters,
    **library_options.SETTERS,
    **logging_setup.MAKERS,
}
