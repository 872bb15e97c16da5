"""Classes that are saved with their contents: each comes back as a new class, made without running any of its own code.

Metaclasses, `__init_subclass__` and `__set_name__` have had their say when the class was defined; what they did stands
in the class, or elsewhere in the workspace, and comes back from there.
"""

from __future__ import annotations

import abc
import collections.abc
import numbers
import os
import types
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_HEAP_TYPE = 1 << 9
_IN_C = (
    types.BuiltinFunctionType, types.ClassMethodDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
)  # fmt: skip
# Needed while the rest is restored: the layout, and what makes `Box[int]` possible.
_FIRST = ("__module__", "__slots__", "__parameters__", "_is_protocol")
_MADE_BY_PYTHON = frozenset({"__dict__", "__weakref__", "__slotnames__", "_abc_impl"})
_STANDARD_ABCS = tuple(
    kind for module in (collections.abc, numbers, os) for kind in vars(module).values() if isinstance(kind, abc.ABCMeta)
)


def made_in_c(cls: type) -> bool:
    """Whether a class was not made by a `class` statement or a call of its metaclass."""
    if not cls.__flags__ & _HEAP_TYPE:
        return True
    new = vars(cls).get("__new__")
    return isinstance(new, types.BuiltinFunctionType) and new.__self__ is cls


def builtin_base(cls: type) -> Any:
    """The nearest class that was made in C, among the class itself and those above it."""
    return next(base for base in cls.__mro__ if made_in_c(base))


def written_in_python(cls: type, name: str) -> bool:
    """Whether the class has a method of that name that is not one of a type made in C."""
    found = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
    return found is not None and not isinstance(found, _IN_C)


def reduce_class(cls: type) -> tuple[Any, ...]:
    """By its name, bases and contents."""
    contents = {name: value for name, value in vars(cls).items() if not _is_made(cls, name, value)}
    first = {name: contents.pop(name) for name in _FIRST if name in contents}
    if "__slots__" in first and not isinstance(first["__slots__"], (str, tuple, list, dict)):
        first["__slots__"] = [name for name, value in vars(cls).items() if type(value) is types.MemberDescriptorType]
    first["__qualname__"] = cls.__qualname__
    subclasses = _registered(cls) if isinstance(cls, abc.ABCMeta) else []
    here = weakref.ref(cls)
    bases = [base for base in _STANDARD_ABCS if here in abc._get_dump(base)[0]]  # type: ignore[attr-defined]
    state = (contents, subclasses, bases)
    # Not every metaclass made in C has a name to be found under; those are told by the base.
    metaclass = None if type(cls) is type(cls.__bases__[0]) else type(cls)
    return new_class, (metaclass, cls.__name__, cls.__bases__, first), state, None, None, fill_class


def new_class(metaclass: Any, name: str, bases: tuple[type, ...], first: dict[str, Any]) -> type:
    """A class with nothing in it yet; its metaclass is that of its first base for None."""
    metaclass = metaclass or type(bases[0])
    with _without_hooks(bases):
        cls: type = builtin_base(metaclass).__new__(metaclass, name, bases, dict(first))
    if issubclass(metaclass, abc.ABCMeta):
        abc._abc_init(cls)  # type: ignore[attr-defined]
    return cls


def fill_class(cls: type, state: tuple[dict[str, Any], list[type], list[Any]]) -> None:
    """Give a class its contents, its virtual subclasses and virtual bases."""
    contents, subclasses, bases = state
    set_attribute = builtin_base(type(cls)).__setattr__
    for name, value in contents.items():
        set_attribute(cls, name, value)
    for subclass in subclasses:
        abc.ABCMeta.register(cls, subclass)  # type: ignore[arg-type]
    for base in bases:
        base.register(cls)


def _is_made(cls: type, name: str, value: Any) -> bool:
    """Whether making the class makes this part of it too."""
    kind = type(value)
    if kind is types.MemberDescriptorType:
        return bool(value.__objclass__ is cls)
    return name in _MADE_BY_PYTHON and (kind is types.GetSetDescriptorType or name in ("__slotnames__", "_abc_impl"))


def _registered(cls: type) -> list[type]:
    references = abc._get_dump(cls)[0]  # type: ignore[attr-defined]
    alive = [subclass for reference in references if (subclass := reference()) is not None]
    return sorted(alive, key=lambda subclass: (subclass.__module__, subclass.__qualname__))


@contextmanager
def _without_hooks(bases: tuple[type, ...]) -> Iterator[None]:
    """No `__init_subclass__` is called meanwhile: its arguments are gone, and what it did is in the class."""
    hooked = {
        base: vars(base)["__init_subclass__"]
        for given in bases
        for base in given.__mro__
        if not isinstance(vars(base).get("__init_subclass__"), (*_IN_C, type(None)))
    }
    for base in hooked:
        type.__setattr__(base, "__init_subclass__", classmethod(lambda cls: None))
    try:
        yield
    finally:
        for base, hook in hooked.items():
            type.__setattr__(base, "__init_subclass__", hook)
