"""What cells have changed of the process and its libraries: saved beside the names of a workspace, and made again.

Kept are attributes of modules and classes that are functions or classes of the workspace (`json.dumps = mine`), options
of pandas and scikit-learn, warning filters, and how loggers are set up. Environment variables and the current directory
are told, not kept: the first are often secrets, the second is each process's own.
"""

from __future__ import annotations

import logging
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jupyter_deployr.computenode.pickling import CannotKeep, Workspace

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """Something to be made again: what it is about, and what it is to be."""

    kind: str
    where: Any
    value: Any

    def make(self) -> None:
        """Make it so in this process. Raises whatever the library has against it."""
        _MAKERS[self.kind](self.where, self.value)


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


class LibraryState:
    """How libraries are set up at a moment."""

    def __init__(self) -> None:
        """At this moment."""
        self._options = _options()
        self._filters = list(warnings.filters)
        self._loggers = {logger.name: _settings(logger) for logger in _loggers()}
        self._environment = dict(os.environ)

    def changes(self, workspace: Workspace, directory: Path) -> dict[str, Any]:
        """What has changed since, by what it is called; `directory` is where the process stood."""
        return {
            **{f"{_label(owner)}.{name}": Change("patch", (owner, name), value) for owner, name, value in
               _patches(workspace)},
            **self._changed_options(),
            **self._changed_filters(),
            **self._changed_loggers(),
            **self._changed_environment(directory),
        }  # fmt: skip

    def _changed_options(self) -> dict[str, Change]:
        return {
            f"{library} option {name}": Change(library, name, value)
            for (library, name), value in _options().items()
            if (library, name) in self._options and not _same(self._options[library, name], value)
        }

    def _changed_filters(self) -> dict[str, Change]:
        added = [each for each in warnings.filters if each not in self._filters]
        return {"warnings.filters": Change("warnings", None, added)} if added else {}

    def _changed_loggers(self) -> dict[str, Change]:
        changes = {}
        for logger in _loggers():
            settings = _settings(logger)
            if settings == self._loggers.get(logger.name, _UNTOUCHED):
                continue
            label = f"logger {logger.name}"
            changes[label] = Change("logger", logger, settings[:3])
            for part, members in (("handler", logger.handlers), ("filter", logger.filters)):
                for number, member in enumerate(members, 1):
                    changes[f"{label}: {part} {number}"] = Change(part, logger, member)
        return changes

    def _changed_environment(self, directory: Path) -> dict[str, _Told]:
        here = Path.cwd()
        told: dict[str, _Told] = {
            f"os.environ[{name!r}]": EnvironmentVariable("environment variables are not saved: set it where it is used")
            for name, value in os.environ.items()
            if self._environment.get(name) != value
        }
        if here.resolve() != directory.resolve():
            reason = "a restored session stands in its working directory: give paths from there"
            told["the current directory"] = CurrentDirectory(reason)
        return told


# ----------------------------------------------------------------------------------------------------- options


def _options() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    pandas: Any = sys.modules.get("pandas")
    if hasattr(pandas, "options"):
        # Asked for by its name, each option that is deprecated would warn.
        found.update(
            (("pandas", name), value) for name, value in _flat("", object.__getattribute__(pandas.options, "d"))
        )
    sklearn: Any = sys.modules.get("sklearn")
    if hasattr(sklearn, "get_config"):
        found.update((("sklearn", name), value) for name, value in sklearn.get_config().items())
    return found


def _flat(prefix: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _set_pandas_option(name: str, value: Any) -> None:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pd.set_option(name, value)


def _set_sklearn_option(name: str, value: Any) -> None:
    import sklearn

    sklearn.set_config(**{name: value})


def _add_filters(_: None, filters: list[Any]) -> None:
    warnings.filters[:0] = [each for each in filters if each not in warnings.filters]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------------------- patches


def _patches(workspace: Workspace) -> Iterator[tuple[Any, str, Any]]:
    """Attributes that are functions or classes of the workspace, of modules and classes that it has under a name, of
    the submodules of such modules and the classes in them."""
    modules = {id(value): value for value in workspace.values() if _is_library(value, workspace)}
    for module in list(modules.values()):
        inside = [value for name, value in vars(module).items() if _is_library(value, workspace) and name[0] != "_"]
        modules.update((id(value), value) for value in inside if value.__name__ == f"{module.__name__}.{_last(value)}")
    values = [*workspace.values(), *(value for module in modules.values() for value in vars(module).values())]
    classes = {id(value): value for value in values if isinstance(value, type) and value.__module__ != "__main__"}
    for owner in (*modules.values(), *classes.values()):
        for name, value in vars(owner).items():
            if type(value) is types.FunctionType:
                if value.__globals__ is workspace:
                    yield owner, name, value
            elif isinstance(value, type) and value.__module__ == "__main__":
                yield owner, name, value


def _is_library(value: Any, workspace: Workspace) -> bool:
    return type(value) is types.ModuleType and vars(value) is not workspace and sys.modules.get(value.__name__) is value


def _last(module: types.ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _label(owner: Any) -> str:
    return str(owner.__name__) if isinstance(owner, types.ModuleType) else f"{owner.__module__}.{owner.__qualname__}"


def _patch(where: tuple[Any, str], value: Any) -> None:
    setattr(*where, value)


# ----------------------------------------------------------------------------------------------------- loggers

_Settings = tuple[int, bool, bool, list[Any], list[Any]]
_UNTOUCHED: _Settings = (logging.NOTSET, True, False, [], [])


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _settings(logger: logging.Logger) -> _Settings:
    handlers = [each for each in logger.handlers if type(each) is not logging.NullHandler]
    return logger.level, logger.propagate, logger.disabled, handlers, list(logger.filters)


def _set_up(logger: logging.Logger, settings: tuple[int, bool, bool]) -> None:
    """Its handlers and filters come after it."""
    level, logger.propagate, logger.disabled = settings
    logger.setLevel(level)
    logger.handlers.clear()
    logger.filters.clear()


_MAKERS: dict[str, Callable[[Any, Any], None]] = {
    "patch": _patch,
    "pandas": _set_pandas_option,
    "sklearn": _set_sklearn_option,
    "warnings": _add_filters,
    "logger": _set_up,
    "handler": logging.Logger.addHandler,
    "filter": logging.Logger.addFilter,
}
