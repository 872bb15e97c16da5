"""The pickler of a workspace: one memo for all names, functions and classes tied to the restored workspace.

cloudpickle alone gives functions defined in cells a dict of globals of their own, copies closure cells, and runs code
of classes while it restores them. Here what was defined in cells comes back as a whole; what is found in an importable
module comes back by import; what can't come back is refused with the reason.
"""

from __future__ import annotations

import builtins
import logging
import os
import pickle
import random
import sys
import types
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import numpy as np

from jupyter_deployr.computenode.pickling import arrays, frames, handlers, imported_values, instances, library
from jupyter_deployr.computenode.pickling.classes import made_in_c, reduce_class
from jupyter_deployr.computenode.pickling.functions import CachedFunction, reduce_cached, reduce_cell, reduce_function
from jupyter_deployr.computenode.pickling.modules import Modules, made_by_hand
from jupyter_deployr.computenode.pickling.refusals import CannotKeep, refusal_of, refuser
from jupyter_deployr.computenode.used_names import names_in

Workspace = dict[str, Any]
Reducer = Callable[[Any], Any]

_NO_PACKAGES = frozenset({"__main__", "__mp_main__", *sys.stdlib_module_names, *sys.builtin_module_names})
_OURS = "jupyter_deployr"
# cloudpickle knows another way to these.
_WITHOUT_NAME = {id(kind) for kind in (type(None), type(...), type(NotImplemented), *vars(types).values())}


class Stream(Protocol):
    """What a pickle is written to."""

    def write(self, data: Any, /) -> int: ...


def _one_of_each(workspace: Workspace) -> list[Any]:
    """What every process has one of, and a pickle refers to by position: part of the format, so only ever added to."""
    return [
        workspace,
        vars(builtins),
        sys.modules,
        sys.path,
        os.environ,
        sys.stdout,
        sys.stderr,
        sys.stdin,
        random._inst,
        np.random.mtrand._rand,
    ]


class WorkspacePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles values of one workspace; buffers of large arrays go to `on_buffer` instead of into the stream.

    `directory` is the working directory, whose modules can be imported where the pickle is restored. `replaced` are
    modules and names in them under which cells have put something else: an import doesn't find it there.
    """

    def __init__(
        self,
        stream: Stream,
        workspace: Workspace,
        on_buffer: Callable[[pickle.PickleBuffer], Any],
        directory: Path | None = None,
        replaced: Collection[tuple[str, str]] = (),
    ) -> None:
        super().__init__(stream, protocol=5, buffer_callback=on_buffer)
        self._stream = stream
        self._begun = False
        self._workspace = workspace
        self._modules = Modules(directory or Path.cwd())
        self._reduce_handler = handlers.reducer_in(directory or Path.cwd())
        self._homes = {id(vars(value)): value for value in workspace.values() if _is_made_by_hand(value)}
        self._imported = imported_values.ImportedValues(workspace, self._modules, replaced)
        self._held = {id(value) for value in workspace.values() if type(value) is dict}
        self._copies: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._replaced = replaced
        self._referred: set[str] = set()
        self._sentinels: dict[int, tuple[types.ModuleType, str]] | None = None
        self._reducers: dict[type, Reducer] = {
            object: self._reduce_sentinel,
            types.FunctionType: self._reduce_function,
            types.BuiltinFunctionType: self._reduce_builtin,
            types.ModuleType: self._reduce_module,
            types.CellType: reduce_cell,
            CachedFunction: self._reduce_cached,
            **library.REDUCERS,
        }
        # Known beforehand, on both sides under the same numbers. What is there twice leaves a number unused.
        self.memo = {
            id(value): (number, value) for number, value in enumerate(_without_repeats(_one_of_each(workspace)))
        }

    @property
    def packages(self) -> set[str]:
        """The top-level packages that the pickle refers to, those of the standard library left out."""
        packages = {module.partition(".")[0] for module in self._referred} - _NO_PACKAGES - {_OURS}
        return {package for package in packages if not package.startswith("_cython_")}

    def dump(self, value: Any) -> None:
        """Write one value; values are to be read in the order in which they were written.

        Raises CannotKeep with the reason, or whatever error pickling the value ends in.
        """
        if not self._begun:
            self._begun = True
            self._stream.write(_PROLOGUE)
        place = self._imported.place_of(value)
        if place is not None:
            memo = self.memo.copy()
            if id(value) not in memo:
                self._stream.write(imported_values.steps_to(*place, type(value)))
                self._refer_to(place[0])
                self.memo = {**memo, id(value): (len(memo), value)}
                value = imported_values.Filled(value)
        try:
            pickle.Pickler.dump(self, value)
        except RecursionError:
            raise CannotKeep("it is nested too deeply to be saved: keep it as a flat list or table") from None
        except MemoryError:
            raise CannotKeep("there is not enough memory to save it") from None

    def imports(self, value: Any) -> bool:
        """Whether another module has the value under a name: to be written before what refers to it."""
        return self._imported.place_of(value) is not None

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        reduce = self._reducers.get(kind)
        if reduce is None:
            reduce = self._reducers[kind] = self._reducer_for(kind)
        return reduce(value)

    def _reducer_for(self, kind: type) -> Reducer:
        self._refer_to(kind.__module__)
        if issubclass(kind, type):
            return self._reduce_class
        reason = refusal_of(kind)
        if reason is not None:
            return refuser(reason)
        if issubclass(kind, types.ModuleType):
            return self._reduce_module
        if issubclass(kind, logging.Handler):
            return self._reduce_handler
        if issubclass(kind, BaseException):
            return instances.reduce_exception
        reducer = arrays.reducer_for(kind)
        if reducer is None and not (made_in_c(kind) or self._has_a_name(kind)):
            reducer = frames.reducer_for(kind) or instances.reducer_for(kind, self._has_a_name)
        return reducer or super().reducer_override

    def _refer_to(self, module: object) -> None:
        if isinstance(module, str):
            self._referred.add(module)

    def _has_a_name(self, value: Any) -> bool:
        """Whether a class or function is found under its name in a module that isn't made by hand."""
        module = self._modules.module_of(value.__module__)
        if module is None or module.__name__ == "__main__" or (module.__name__, value.__qualname__) in self._replaced:
            return False
        found: Any = module
        for part in value.__qualname__.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                return False
        return found is value

    def _reduce_class(self, cls: type) -> Any:
        self._refer_to(cls.__module__)
        if id(cls) in _WITHOUT_NAME:
            return super().reducer_override(cls)
        if self._has_a_name(cls):
            self._modules.check(cls.__module__)
            return NotImplemented
        if made_in_c(cls):
            raise CannotKeep(f"the type {cls.__name__!r} can't be saved: no module has it under a name")
        return reduce_class(cls)

    def _reduce_function(self, function: types.FunctionType) -> Any:
        names = function.__globals__
        if names is self._workspace:
            return reduce_function(function, names)
        if function.__qualname__ == library.WRITE_IN_CELLS:
            return library.reduce_write(function)
        self._refer_to(function.__module__)
        if self._has_a_name(function):
            self._modules.check(function.__module__)
            return NotImplemented
        home = self._modules.module_of(names.get("__name__"))
        if names.get("__name__") == "__main__" and id(names) not in self._held:
            # attrs compiles methods with a copy of the workspace, of which nobody but they use anything.
            _, copy = self._copies.setdefault(id(names), (names, {}))
            used = names_in(function.__code__, names)
            return reduce_function(function, copy, {name: value for name, value in names.items() if name in used})
        if home is None or vars(home) is not names:
            return reduce_function(function, self._homes.get(id(names), names))
        self._modules.check(home.__name__)
        return reduce_function(function, home)

    def _reduce_cached(self, cached: Any) -> Any:
        return NotImplemented if self._has_a_name(cached) else reduce_cached(cached)

    def _reduce_builtin(self, function: types.BuiltinFunctionType) -> Any:
        if isinstance(function.__self__, types.ModuleType) and function.__module__:
            self._refer_to(function.__module__)
            self._modules.check(function.__module__)
        return NotImplemented

    def _reduce_module(self, module: types.ModuleType) -> Any:
        self._refer_to(module.__name__)
        return self._modules.reduce(module)

    def _reduce_sentinel(self, sentinel: object) -> Any:
        if self._sentinels is None:
            # An object() that a library compares with must be the library's own.
            modules = [self._modules.module_of(name) for name in list(sys.modules)]
            self._sentinels = {
                id(value): (module, name)
                for module in modules
                if module is not None and vars(module) is not self._workspace
                for name, value in list(vars(module).items())
                if type(value) is object
            }
        known = self._sentinels.get(id(sentinel))
        return NotImplemented if known is None else (getattr, known)


def _is_made_by_hand(value: Any) -> bool:
    return issubclass(type(value), types.ModuleType) and made_by_hand(value)


def _without_repeats(values: list[Any]) -> list[Any]:
    first = {id(value): number for number, value in reversed(list(enumerate(values)))}
    return [value if first[id(value)] == number else object() for number, value in enumerate(values)]


# Looks up each of them by its number and memoizes it, as the pickler has.
_PROLOGUE = b"".join(b"K" + bytes([number]) + b"Q\x940" for number in range(len(_one_of_each({}))))


def unpickler_into(workspace: Workspace, stream: Any, buffers: Iterable[Any]) -> pickle.Unpickler:
    """An unpickler whose functions find their globals in `workspace`."""
    unpickler = pickle.Unpickler(stream, buffers=buffers)  # noqa: S301 - only ever in a worker or session process
    unpickler.persistent_load = _one_of_each(workspace).__getitem__  # type: ignore[method-assign]
    return unpickler
