"""Modules come back by import, if another process could import them; what was made by hand comes back by its contents.

A process that restores a snapshot finds what was installed when the server started, and what lies in the working
directory, whose files are in the snapshot. Folders that a session added to `sys.path` are not searched there, so what
comes from them is refused.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.machinery
import sys
import types
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.pickling.refusals import CannotKeep

# As they are before any user code has run.
_SEARCHED = [entry for entry in sys.path if entry]
_FINDERS = tuple(sys.meta_path)

_found: dict[str, Path | None] = {}
_with_submodules: set[tuple[str, str]] = set()


class Modules:
    """Which modules another process can import, seen from a session that works in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._faults: dict[str, str | None] = {}

    def check(self, name: str) -> None:
        """Raises CannotKeep when a process that restores could not import the module."""
        package = name.partition(".")[0]
        if package not in self._faults:
            self._faults[package] = self._fault(package)
        fault = self._faults[package]
        if fault is not None:
            raise CannotKeep(fault)

    def _fault(self, package: str) -> str | None:
        if package == "__main__" or package in sys.stdlib_module_names:
            return None
        module = sys.modules.get(package)
        place = _place(module)
        if place is None:
            return None
        if place.parent == self._directory:
            return None if place.exists() else f"the file of module {package!r} is gone: write it again"
        found = _found_at_start(package)
        if found is not None and found == place:
            return None
        return (
            f"module {package!r} comes from {place.parent.name}/, where only this session looks for modules: put it "
            "into the working directory itself"
        )

    def module_of(self, name: Any) -> types.ModuleType | None:
        """The imported module of that name, unless it was made by hand."""
        module = sys.modules.get(name) if type(name) is str else None
        return module if isinstance(module, types.ModuleType) and not made_by_hand(module) else None

    def is_local(self, module: types.ModuleType) -> bool:
        """Whether the module's file lies in the working directory, or below it."""
        place = _place(module)
        return place is not None and place.is_relative_to(self._directory)

    def reduce(self, module: types.ModuleType) -> tuple[Any, ...]:
        """By import, with the submodules that are imported here; by its contents when it was made by hand."""
        if made_by_hand(module):
            registered = sys.modules.get(module.__name__) is module
            return new_module, (module.__name__, registered), _contents(module), None, None, fill_module
        self.check(module.__name__)
        return import_module, (module.__name__, _submodules(module.__name__))


def made_by_hand(module: types.ModuleType) -> bool:
    """Whether no import made the module, as far as can be seen."""
    if module.__name__ == "__main__" or "." in module.__name__:
        return False
    return getattr(module, "__spec__", None) is None and getattr(module, "__file__", None) is None


def import_module(name: str, submodules: str) -> types.ModuleType:
    """Import a module and those of its submodules; one that can't be imported by itself is left out."""
    module = importlib.import_module(name)
    if submodules and (name, submodules) not in _with_submodules:
        for submodule in submodules.split(" "):
            if f"{name}.{submodule}" not in sys.modules:
                with contextlib.suppress(ImportError):
                    importlib.import_module(f"{name}.{submodule}")
        _with_submodules.add((name, submodules))
    return module


def new_module(name: str, registered: bool) -> types.ModuleType:
    """An empty module, `registered` where imports look first."""
    module = types.ModuleType(name)
    if registered:
        sys.modules[name] = module
    return module


def fill_module(module: types.ModuleType, contents: dict[str, Any]) -> None:
    """Give a module its names."""
    vars(module).update(contents)


def _contents(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name != "__builtins__"}


def _submodules(name: str) -> str:
    """The public submodules that are imported, without the package's name."""
    prefix = f"{name}."
    found = [module[len(prefix) :] for module in list(sys.modules) if module.startswith(prefix)]
    return " ".join(sorted(module for module in found if not f".{module}".count("._")))


def _place(module: types.ModuleType | None) -> Path | None:
    """The file of a module, or the folder of a package; None for what has neither."""
    spec = getattr(module, "__spec__", None)
    return None if spec is None else _place_of_spec(spec)


def _place_of_spec(spec: importlib.machinery.ModuleSpec) -> Path | None:
    folders = list(spec.submodule_search_locations or ())
    if folders:
        return _resolved(folders[0])
    return _resolved(spec.origin) if spec.has_location and spec.origin else None


@functools.cache
def _resolved(place: str) -> Path:
    return Path(place).resolve()


def _found_at_start(package: str) -> Path | None:
    """Where a process that has run no user code finds the package."""
    if package in _found:
        return _found[package]
    for finder in _FINDERS:
        searched = _SEARCHED if finder is importlib.machinery.PathFinder else None
        spec = finder.find_spec(package, searched)
        if spec is not None:
            _found[package] = _place_of_spec(spec)
            return _found[package]
    return None
