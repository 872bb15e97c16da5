"""The namespace that a version's code runs in, put back after each call to what it was before it.

What is undone: new names, rebound and deleted names, and changes to the lists, dicts, sets and containers of
`collections` that names, closures, default arguments and function attributes reach, restored *in place*, so that every
alias sees it. Containers of more than `OPAQUE_ABOVE` elements and all other objects, subclasses of containers among
them, are left as a call leaves them.
"""

from __future__ import annotations

import collections
import enum
import functools
import operator
import re
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

OPAQUE_ABOVE = 1000

_MAPPINGS = frozenset({dict, collections.Counter, collections.OrderedDict, collections.defaultdict})
_UNDONE = frozenset({list, collections.deque, set, tuple, *_MAPPINGS})

_is = operator.is_
_Saved = list[tuple[Any, Any]]


class CallNamespace:
    """Wraps a module dict; `restore` after a call costs a few microseconds when nothing was changed."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self._names = dict(names)
        self._lists: _Saved = []
        self._dicts: _Saved = []
        self._sets: _Saved = []
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
                todo += _reached_by(value)
            elif kind in _UNDONE:
                if len(value) > OPAQUE_ABOVE:
                    continue
                if kind is list or kind is collections.deque:
                    self._lists.append((value, list(value)))
                    todo += value
                elif kind in _MAPPINGS:
                    self._dicts.append((value, dict(value)))
                    todo += value.values()
                elif kind is set:
                    self._sets.append((value, value.copy()))
                else:
                    todo += value

    def restore(self) -> None:
        """Undo what the last call did to the names and to the containers they reach."""
        names, saved = self.names, self._names
        if (
            len(names) != len(saved)
            or not all(map(_is, names.values(), saved.values()))
            or names.keys() != saved.keys()
        ):
            names.clear()
            names.update(saved)
        for container, copy in self._lists:
            if len(container) != len(copy) or not all(map(_is, container, copy)):
                container.clear()
                container.extend(copy)
        for container, copy in self._dicts:
            if len(container) != len(copy) or not (
                all(map(_is, container, copy)) and all(map(_is, container.values(), copy.values()))
            ):
                container.clear()
                container.update(copy)
        for container, copy in self._sets:
            if len(container) != len(copy) or not container >= copy:
                container.clear()
                container.update(copy)


def foreseeable_leaks(code: types.CodeType, names: dict[str, Any]) -> list[str]:
    """Sentences on what calls of `code` may change in `names` for good: large containers and opaque objects."""
    large: list[str] = []
    opaque: list[str] = []
    for name in sorted(_names_used(code, names)):
        value = names[name]
        if type(value) in _UNDONE and len(value) > OPAQUE_ABOVE:
            large.append(f"{name} ({len(value):,} elements)")
        elif type(value) not in _UNDONE and not isinstance(value, _IMMUTABLE):
            opaque.append(f"{name} ({type(value).__name__})")
    notes = []
    if large:
        notes.append(
            f"Containers of more than {OPAQUE_ABOVE:,} elements are not put back after a call: {_list(large)}."
        )
    if opaque:
        notes.append(f"Changes that a call makes inside these objects stay for the next call: {_list(opaque)}.")
    return notes


_IMMUTABLE = (
    type(None), bool, int, float, complex, str, bytes, frozenset, range, type, types.ModuleType, types.FunctionType,
    types.BuiltinFunctionType, re.Pattern, functools.partial, enum.Enum, np.generic, np.ufunc,
)  # fmt: skip
_MAX_LISTED = 20


def _list(items: list[str]) -> str:
    more = len(items) - _MAX_LISTED
    return ", ".join(items[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _names_used(code: types.CodeType, names: dict[str, Any]) -> set[str]:
    """The names of the workspace that the code uses, by itself and through functions of the workspace."""
    used: set[str] = set()
    todo = [code]
    while todo:
        current = todo.pop()
        todo += [constant for constant in current.co_consts if isinstance(constant, types.CodeType)]
        for name in set(current.co_names) & (names.keys() - used):
            used.add(name)
            value = names[name]
            if isinstance(value, types.FunctionType):
                todo.append(value.__code__)
    used.discard("__builtins__")
    return used


def _reached_by(function: types.FunctionType) -> list[Any]:
    reached: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            reached.append(cell.cell_contents)
        except ValueError:
            continue
    return [*reached, *vars(function).values()]
