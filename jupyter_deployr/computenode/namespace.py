"""The namespace that a version's code runs in, put back after each call to what it was before it.

What is undone: new names, rebound and deleted names, and changes to what they reach, as far as `reach` goes. Containers
are restored *in place*, so that every alias sees it; variables of closures, code, defaults and attributes of functions,
and attributes of classes are put back, and the caches of `functools` emptied where a call has added to them.
"""

from __future__ import annotations

import collections
import contextlib
import operator
import types
from collections.abc import Iterable
from typing import Any

from jupyter_deployr.computenode.class_attributes import ClassAttributes
from jupyter_deployr.computenode.function_parts import FunctionParts
from jupyter_deployr.computenode.local_imports import LocalImports
from jupyter_deployr.computenode.reach import CONTAINERS, MAPPINGS, Cached, is_large, stock_of, walk
from jupyter_deployr.computenode.used_names import Used

_is = operator.is_
_Saved = list[tuple[Any, Any]]


class CallNamespace:
    """Wraps a module dict; `restore` after a call costs a few microseconds."""

    def __init__(self, names: dict[str, Any], used: Used | None = None) -> None:
        """`used` is what calls use: what they can't do by that needs not be looked at."""
        self.names = names
        self._functions_change = used is None or used.changes_functions()
        self._annotations_change = used is None or used.mentions("__annotations__")
        self._caches_emptied = used is None or used.mentions("cache_clear")
        self._names = dict(names)
        self._empty: list[Any] = []
        self._lists: _Saved = []
        self._dicts: _Saved = []
        self._imports = LocalImports()
        self._deques: _Saved = []
        self._mappings: _Saved = []
        self._factories: _Saved = []
        self._sets: _Saved = []
        self._cells: _Saved = []
        self._empty_cells: list[types.CellType] = []
        self._functions = FunctionParts()
        self._caches: list[tuple[Any, int, list[Any]]] = []
        self._classes = ClassAttributes(
            renamed=used is None or used.renames(), subclasses=used is None or used.mentions("__subclasses__")
        )
        self._remember(value for name, value in names.items() if name != "__builtins__")
        # Most workspaces have few of these or none, and each empty loop of a call costs something too.
        self._any_functions = bool(self._functions_change or self._caches or self._cells or self._empty_cells)
        self._any_collections = bool(self._deques or self._mappings or self._factories or self._sets)

    def _remember(self, values: Iterable[Any]) -> None:
        for value in walk(values, but=self.names):
            kind = type(value)
            if kind is types.FunctionType:
                self._remember_function(value)
            elif kind is Cached:
                self._remember_cache(value)
            elif kind is types.ModuleType:
                self._dicts.append((vars(value), dict(vars(value))))
            elif issubclass(kind, type):
                self._classes.add(value)
            elif is_large(value):
                continue
            elif kind in CONTAINERS and not value:
                self._empty.append(value)
            elif kind is list:
                self._lists.append((value, list(value)))
            elif kind is collections.deque:
                self._deques.append((value, list(value)))
            elif kind is dict:
                self._dicts.append((value, dict(value)))
            elif kind in MAPPINGS:
                self._mappings.append((value, dict(value)))
            elif kind is set:
                self._sets.append((value, value.copy()))
            if kind is collections.defaultdict:
                self._factories.append((value, value.default_factory))

    def _remember_cache(self, cached: Any) -> None:
        # Emptied and filled again it may count as much as before.
        stock = stock_of(cached) if self._caches_emptied else []
        self._caches.append((cached, cached.cache_info().misses, stock))

    def _remember_function(self, function: types.FunctionType) -> None:
        if self._functions_change:
            self._functions.add(function)
        if self._annotations_change:
            self._dicts.append((function.__annotations__, dict(function.__annotations__)))
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:
                self._empty_cells.append(cell)

    def restore(self) -> None:
        """Undo what the last call did to the names and to what they reach."""
        # What the call has made goes first: at its end it may change what is restored after it.
        self.names.clear()
        if self._any_functions:
            self._restore_functions()
        self._classes.restore()
        if any(self._empty):
            for container in self._empty:
                container.clear()
        # Filling a list or a dict anew is a copy of memory; looking whether that is needed takes longer.
        for container, copy in self._lists:
            container[:] = copy
        self._imports.forget()
        for container, copy in self._dicts:
            container.clear()
            container.update(copy)
        if self._any_collections:
            self._restore_collections()
        self.names.clear()
        self.names.update(self._names)
        if len(self.names) != len(self._names):
            # Objects that the call left have defined something when they were let go of.
            self.names.clear()
            self.names.update(self._names)

    def _restore_functions(self) -> None:
        for number, (cached, misses, stock) in enumerate(self._caches):
            if cached.cache_info().misses != misses or (self._caches_emptied and not _same(stock_of(cached), stock)):
                cached.cache_clear()
                self._caches[number] = cached, 0, stock_of(cached)
        for cell, contents in self._cells:
            cell.cell_contents = contents
        for cell in self._empty_cells:
            with contextlib.suppress(ValueError):
                del cell.cell_contents
        self._functions.restore()

    def _restore_collections(self) -> None:
        for container, copy in self._sets:
            container.clear()
            container.update(copy)
        for container, copy in self._deques:
            if len(container) != len(copy) or not all(map(_is, container, copy)):
                container.clear()
                container.extend(copy)
        for container, copy in self._mappings:
            if len(container) != len(copy) or not (
                all(map(_is, container, copy)) and all(map(_is, container.values(), copy.values()))
            ):
                container.clear()
                container.update(copy)
        for container, factory in self._factories:
            if container.default_factory is not factory:
                container.default_factory = factory


def _same(now: list[Any], before: list[Any]) -> bool:
    """Whether these are the same objects, in whatever order."""
    return set(map(id, now)) == set(map(id, before))
