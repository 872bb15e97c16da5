"""Which names of a workspace some code uses, by itself and through what it calls."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from jupyter_deployr.computenode.reach import walk

# What finds names, or attributes of modules, that the code doesn't spell out.
_FINDS_ANY = frozenset(
    {
        "globals", "locals", "vars", "eval", "exec", "getattr", "attrgetter", "__import__", "import_module", "__main__",
        "modules", "__globals__", "__dict__", "f_globals", "f_locals", "f_back", "get_objects", "get_referrers",
    }
)  # fmt: skip
_SETS = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_SETTERS = frozenset({"setattr", "delattr", "__setattr__", "__delattr__", "__setstate__"})
_CHANGE_FUNCTIONS = frozenset(
    {"__code__", "__defaults__", "__kwdefaults__", "__dict__", "__annotations__", "update_wrapper", "wraps"}
)
_NAMES = frozenset({"__name__", "__qualname__", "__doc__", "__module__"})
_READS_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_Cached = type(functools.lru_cache(maxsize=1)(lambda: None))


@dataclass
class Used:
    """The names of a workspace that some code uses, the attributes that it mentions, and those that it sets.

    `texts` are its string constants, by which attributes can be set as well.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)

    @property
    def stores(self) -> bool:
        """Whether it sets or deletes any attributes."""
        return bool(self.stored) or not self.attributes.isdisjoint(_SETTERS)

    def mentions(self, *names: str) -> bool:
        """Whether any of these attributes may be asked for."""
        return not (self.attributes | self.texts).isdisjoint({"exec", "eval", *names})

    def changes_functions(self) -> bool:
        """Whether it may give a function other code, defaults, annotations, names or another dict of attributes."""
        return self.mentions(*_CHANGE_FUNCTIONS) or self.renames()

    def renames(self) -> bool:
        """Whether it may give a function or class another name."""
        return self.mentions(*_SETTERS) or not self.stored.isdisjoint(_NAMES)


def used_by(code: types.CodeType, names: dict[str, Any]) -> Used:
    """What `code` uses, by itself and through the functions and classes that it reaches.

    Where it can find names that it doesn't mention, as with `globals()` or `eval`, these are all.
    """
    used = Used()
    todo = [code]
    seen: set[types.CodeType] = set()
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        mentioned: set[str] = set()
        for part in _with_nested(current):
            mentioned.update(part.co_names)
            used.texts.update(constant for constant in part.co_consts if isinstance(constant, str))
            used.stored.update(step.argval for step in dis.get_instructions(part) if step.opname in _SETS)
        used.attributes |= mentioned
        own = names.keys() - used.names - {"__builtins__"}
        found = own if mentioned & _FINDS_ANY else names_in(current, own)
        used.names |= found
        todo += [
            value.__code__
            for value in walk((names[name] for name in found), but=names)
            if type(value) is types.FunctionType
        ]
    return used


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)


def names_in(code: types.CodeType, names: Collection[str]) -> set[str]:
    """Those of `names` that the code itself, or code that is nested in it, reads as globals."""
    found: set[str] = set()
    for part in _with_nested(code):
        if any(name in names for name in part.co_names):
            # Attributes stand among a code's names too.
            read = {step.argval for step in dis.get_instructions(part) if step.opname in _READS_GLOBAL}
            found.update(name for name in read if name in names)
    return found


def code_of(value: Any, names: dict[str, Any]) -> list[types.CodeType]:
    """The code that a value brings along, of which `names` are the globals: a function's, that of a class's methods,
    and that of what a decorator has wrapped."""
    # Its type is what counts: a proxy may claim another class, or raise when it is asked.
    kind = type(value)
    if issubclass(kind, types.FunctionType):
        wrapped = code_of(vars(value).get("__wrapped__"), names)
        return [value.__code__, *wrapped] if value.__globals__ is names else wrapped
    if issubclass(kind, type):
        members = [member for member in vars(value).values() if not issubclass(type(member), type)]
        return [code for member in members for code in code_of(member, names)]
    if issubclass(kind, property):
        return [code for accessor in (value.fget, value.fset, value.fdel) for code in code_of(accessor, names)]
    if issubclass(kind, staticmethod | classmethod):
        return code_of(value.__func__, names)
    if issubclass(kind, functools.partial):
        return code_of(value.func, names)
    if issubclass(kind, _Cached):
        return code_of(value.__wrapped__, names)
    return []
