"""The namespace that a version's code runs in, put back after each call to what it was before it.

What is undone: new names, rebound and deleted names, rebound variables of closures, attributes of functions, entries
of the caches of `functools`, and changes to the lists, dicts, sets and containers of `collections` that names and
closures, default arguments and attributes of functions reach, restored *in place*: every alias sees it. What is left as
a call leaves it: containers of more than `OPAQUE_ABOVE` elements, and all other objects, also subclasses of containers.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import operator
import types
from collections.abc import Iterable
from typing import Any

OPAQUE_ABOVE = 1000

_MAPPINGS = frozenset({dict, collections.Counter, collections.OrderedDict, collections.defaultdict})
UNDONE = frozenset({list, collections.deque, set, tuple, *_MAPPINGS})

_Cached = type(functools.lru_cache(maxsize=1)(lambda: None))
_is = operator.is_
_Saved = list[tuple[Any, Any]]


class CallNamespace:
    """Wraps a module dict; `restore` after a call costs a few microseconds."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self._names = dict(names)
        self._lists: _Saved = []
        self._dicts: _Saved = []
        self._deques: _Saved = []
        self._mappings: _Saved = []
        self._sets: _Saved = []
        self._cells: _Saved = []
        self._caches: _Saved = []
        self._empty_cells: list[types.CellType] = []
        self._remember(value for name, value in names.items() if name != "__builtins__")

    def _remember(self, values: Iterable[Any]) -> None:
        seen: set[int] = set()
        todo = list(values)
        while todo:
            value = todo.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = type(value)
            if kind is types.FunctionType:
                self._remember_cells(value)
                self._dicts.append((vars(value), dict(vars(value))))
                todo += _reached_by(value)
            elif kind is _Cached:
                self._caches.append((value, value.cache_info().currsize))
                todo.append(value.__wrapped__)
            elif kind in UNDONE:
                if len(value) > OPAQUE_ABOVE:
                    continue
                if kind is list or kind is collections.deque:
                    (self._lists if kind is list else self._deques).append((value, list(value)))
                    todo += value
                elif kind in _MAPPINGS:
                    (self._dicts if kind is dict else self._mappings).append((value, dict(value)))
                    todo += value.values()
                elif kind is set:
                    self._sets.append((value, value.copy()))
                else:
                    todo += value

    def _remember_cells(self, function: types.FunctionType) -> None:
        for cell in function.__closure__ or ():
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:
                self._empty_cells.append(cell)

    def restore(self) -> None:
        """Undo what the last call did to the names and to the containers and closures that they reach."""
        # Filling a list or a dict anew is a copy of memory; looking whether that is needed takes longer.
        self.names.clear()
        self.names.update(self._names)
        if len(self.names) != len(self._names):
            # Objects that the call left have defined something when they were let go of.
            self.names.clear()
            self.names.update(self._names)
        for cached, entries in self._caches:
            if cached.cache_info().currsize != entries:
                cached.cache_clear()
        for cell, contents in self._cells:
            cell.cell_contents = contents
        for cell in self._empty_cells:
            with contextlib.suppress(ValueError):
                del cell.cell_contents
        for container, copy in self._lists:
            container[:] = copy
        for container, copy in itertools.chain(self._dicts, self._sets):
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


def _reached_by(function: types.FunctionType) -> list[Any]:
    reached: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            reached.append(cell.cell_contents)
        except ValueError:
            continue
    return [*reached, *vars(function).values()]
