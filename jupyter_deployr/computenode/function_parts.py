"""What makes up a function, put back after each call: code, defaults, attributes, annotations, names."""

from __future__ import annotations

import ctypes
import types
from typing import Any

_PARTS = (
    "__code__", "__defaults__", "__kwdefaults__", "__dict__", "__annotations__", "__name__", "__qualname__", "__doc__",
    "__module__",
)  # fmt: skip
_HEADER = object.__basicsize__
_Memory = ctypes.c_char * (types.FunctionType.__basicsize__ - _HEADER)


class FunctionParts:
    """Remembers the parts of functions; one that no call has touched costs some 100 ns to look at.

    What is looked at is where a function has its parts in memory: asking it for them takes ten times as long. They are
    held here, so that nothing else comes to lie where they are. What else changes there, as when somebody refers to the
    function weakly, only leads to a closer look.
    """

    def __init__(self) -> None:
        self._functions: list[tuple[types.FunctionType, list[Any]]] = []
        self._memories: list[tuple[ctypes.Array[ctypes.c_char], bytes]] = []

    def add(self, function: types.FunctionType) -> None:
        """Remember a function as it is now."""
        # Dicts that it doesn't have yet are made by this.
        self._functions.append((function, [getattr(function, name) for name in _PARTS]))
        memory = _Memory.from_address(id(function) + _HEADER)
        self._memories.append((memory, memory.raw))

    def restore(self) -> None:
        """Put back the functions that were changed."""
        for number, (memory, before) in enumerate(self._memories):
            if memory.raw != before:
                _put_back(*self._functions[number])
                self._memories[number] = memory, memory.raw


def _put_back(function: types.FunctionType, parts: list[Any]) -> None:
    for name, part in zip(_PARTS, parts, strict=True):
        # Looking first, since assigning makes the interpreter forget what it has learnt about the function.
        if getattr(function, name) is not part:
            setattr(function, name, part)
