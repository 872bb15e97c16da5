"""What cells have put on modules and classes of libraries."""

from __future__ import annotations

import builtins
import faulthandler
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

from jupyter_deployr.computenode.pickling import Workspace

_ABSENT = object()
_Cached = type(functools.lru_cache(maxsize=1)(lambda: None))

# What these hold changes all the time.
_PASSING = frozenset({"__main__", "sys"})

_known: dict[str, tuple[types.ModuleType, dict[str, Any]]] = {}


def remember_modules() -> None:
    """Remember what the modules hold that were imported since this was last called: what they hold later beside it,
    somebody has put there."""
    for name in sys.modules.keys() - _known.keys():
        module = sys.modules.get(name)
        if type(module) is types.ModuleType and name not in _PASSING:
            _known[name] = module, _public(module)


def remember_kernel() -> None:
    """Remember what a session's kernel has put on modules itself, now that it has begun."""
    for module in (builtins, faulthandler):
        _known[module.__name__] = module, _public(module)


def patches(workspace: Workspace) -> Iterator[tuple[Any, str, Any]]:
    """Attributes of modules and classes that the workspace has under a name, of the submodules of such modules and the
    classes in them: those made of functions and classes of the workspace, and other public ones that their module did
    not have, or had bound to something else, when it was remembered."""
    modules = {id(value): value for value in workspace.values() if _is_library(value, workspace)}
    for module in list(modules.values()):
        inside = [value for name, value in vars(module).items() if _is_library(value, workspace) and name[:1] != "_"]
        modules.update((id(value), value) for value in inside if value.__name__ == f"{module.__name__}.{_last(value)}")
    values = [*workspace.values(), *(value for module in modules.values() for value in vars(module).values())]
    classes = {id(value): value for value in values if _is_class(value) and not _is_of_cells(value)}
    for owner in (*modules.values(), *classes.values()):
        before = _before(owner)
        for name, value in vars(owner).copy().items():
            if _of_workspace(value, workspace) or (before is not None and _is_new(name, value, before)):
                yield owner, name, value


def label(owner: Any) -> str:
    """What a module or class is called."""
    return str(owner.__name__) if isinstance(owner, types.ModuleType) else f"{owner.__module__}.{owner.__qualname__}"


def _public(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).copy().items() if name[:1] != "_"}


def _before(owner: Any) -> dict[str, Any] | None:
    module, before = _known.get(owner.__name__, (None, None)) if isinstance(owner, types.ModuleType) else (None, None)
    return before if module is owner else None


def _is_new(name: str, value: Any, before: dict[str, Any]) -> bool:
    return name[:1] != "_" and before.get(name, _ABSENT) is not value and not isinstance(value, types.ModuleType)


def _of_workspace(value: Any, workspace: Workspace) -> bool:
    """Whether it is a function or class of the workspace, or made of one."""
    if type(value) is types.FunctionType:
        return value.__globals__ is workspace
    if _is_class(value):
        return _is_of_cells(value)
    return _is_of_cells(type(value)) or any(_of_workspace(part, workspace) for part in _parts(value))


# An object is asked nothing: it may pretend to be of another class, or raise.
def _is_class(value: Any) -> bool:
    return issubclass(type(value), type)


def _is_of_cells(kind: type) -> bool:
    return type.__dict__["__module__"].__get__(kind) == "__main__"  # type: ignore[no-any-return]


def _parts(value: Any) -> tuple[Any, ...]:
    kind = type(value)
    if issubclass(kind, property):
        return value.fget, value.fset, value.fdel
    if issubclass(kind, (classmethod, staticmethod, types.MethodType)):
        return (value.__func__,)
    if issubclass(kind, (functools.partial, functools.partialmethod, functools.cached_property)):
        return (value.func,)
    return (value.__wrapped__,) if type(value) is _Cached else ()


def _is_library(value: Any, workspace: Workspace) -> bool:
    return type(value) is types.ModuleType and vars(value) is not workspace and sys.modules.get(value.__name__) is value


def _last(module: types.ModuleType) -> str:
    return module.__name__.rpartition(".")[2]
