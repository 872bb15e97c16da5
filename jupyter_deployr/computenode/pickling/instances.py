"""Instances of classes that are saved with their contents: they come back without running code of their class.

Code of a class that is half restored, or that wants arguments nobody has, would fail while a snapshot is loaded. What
says itself how it is pickled (`__reduce__`, `__getstate__`, `__setstate__`, `__getnewargs__`) is asked, nothing else.
"""

from __future__ import annotations

import copyreg
import enum
from collections.abc import Callable
from typing import Any

from jupyter_deployr.computenode.pickling.classes import builtin_base, written_in_python

Reducer = Callable[[Any], Any]

_MADE_BY_NEW: Any = vars(copyreg)["__newobj__"]
# Overridden in Python, these run while pickle puts an instance together.
_RUN_ON_LOADING = (
    "__new__", "__getattr__", "__getattribute__", "__setattr__", "__setitem__", "append", "extend", "__hash__",
)  # fmt: skip
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


def reducer_for(kind: type, is_library: Callable[[type], bool]) -> Reducer | None:
    """How instances of a class are reduced that is saved with its contents; None for pickle's own way."""
    if issubclass(kind, enum.Enum):
        return reduce_member
    if _says_how(kind) and not is_library(_says_how(kind)):
        return _reduce_as_told
    if builtin_base(kind) is not object or any(written_in_python(kind, name) for name in _RUN_ON_LOADING):
        return _reduce_with_care
    return None


def _says_how(kind: type) -> Any:
    """The class that defines, in Python, how instances are reduced; None when no class does."""
    defining = (base for base in kind.__mro__ if not {"__reduce__", "__reduce_ex__"}.isdisjoint(vars(base)))
    found = next(defining, object)
    return found if any(written_in_python(found, name) for name in ("__reduce__", "__reduce_ex__")) else None


def _reduce_as_told(value: Any) -> Any:
    """As its `__reduce__` says. The name of a variable is no answer: it is what is being saved."""
    told = value.__reduce_ex__(5)
    if not isinstance(told, str):
        return told
    items = list(value) if isinstance(value, list) else None
    pairs = list(value.items()) if isinstance(value, dict) else None
    return _careful(value, (_MADE_BY_NEW, (type(value),), value.__getstate__(), items, pairs))


def _reduce_with_care(value: Any) -> Any:
    return _careful(value, value.__reduce_ex__(5))


def _careful(value: Any, told: Any) -> Any:
    kind = type(value)
    made_by, args, state, items, pairs = (*told, None, None, None)[:5]
    if made_by is _MADE_BY_NEW and args[0] is kind:
        args = args[1:]
    elif made_by is not kind:
        return told
    base = builtin_base(kind)
    if _has_own_arguments(kind) or (base is object and args):
        return told
    if base is tuple:
        args = (tuple(tuple.__iter__(value)),)
    if state is None and base is not object:
        # Dates and other types made in C don't tell what a class of a cell's has added.
        state = object.__getstate__(value)
    contents = (None if items is None else list(items), None if pairs is None else list(pairs))
    if hasattr(kind, "__setstate__"):
        return (new_instance, (kind, base, args), state) if contents == (None, None) else told
    first = _plain_attributes(state) if written_in_python(kind, "__hash__") else None
    return new_instance, (kind, base, args, first), (state, *contents), None, None, fill_instance


def _plain_attributes(state: Any) -> Any:
    """What a hash is mostly made of: in a circle, it is wanted before the instance has all of its attributes."""
    if isinstance(state, tuple):
        return tuple(map(_plain_attributes, state))
    return {name: value for name, value in (state or {}).items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))


def _has_own_arguments(kind: type) -> bool:
    """Whether the class says what its `__new__` is called with; that of a named tuple doesn't count."""
    return any(
        written_in_python(base, name) and not hasattr(base, "_fields")
        for base in kind.__mro__
        for name in ("__getnewargs__", "__getnewargs_ex__")
    )


def new_instance(kind: type, base: Any, args: tuple[Any, ...], attributes: Any = None) -> Any:
    """An instance made as one of `base`, the nearest type above that was made in C, with the first of its attributes.

    Attributes are a dict, or a pair of the instance's dict and its slots.
    """
    instance = base.__new__(kind, *args)
    if args and base.__init__ is not object.__init__:
        base.__init__(instance, *args)
    _set_attributes(instance, attributes)
    return instance


def _set_attributes(instance: Any, attributes: Any) -> None:
    slots = None
    if isinstance(attributes, tuple):
        attributes, slots = attributes
    if attributes:
        object.__getattribute__(instance, "__dict__").update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(instance, name, value)


def fill_instance(instance: Any, state: tuple[Any, list[Any] | None, list[tuple[Any, Any]] | None]) -> None:
    """Give an instance its attributes and items."""
    attributes, items, pairs = state
    _set_attributes(instance, attributes)
    base = builtin_base(type(instance))
    if items is not None:
        base.extend(instance, items)
    for key, value in pairs or ():
        base.__setitem__(instance, key, value)


def reduce_exception(error: BaseException) -> Any:
    """An exception with what caused it, without its traceback, and without calling `__init__` of its class."""
    kind, base = type(error), builtin_base(type(error))
    if _says_how(kind) is not None:
        return _reduce_as_told(error)
    told: tuple[Any, ...] = error.__reduce_ex__(5)  # type: ignore[assignment]
    made_by, args, *rest = told
    if made_by is not kind or (hasattr(kind, "__setstate__") and kind.__setstate__ is not BaseException.__setstate__):
        return told
    chain = {name: getattr(error, name) for name in ("__cause__", "__context__", "__suppress_context__")}
    return new_instance, (kind, base, args), (rest[0] if rest else None, chain), None, None, fill_exception


def fill_exception(error: BaseException, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Give an exception its attributes and what caused it."""
    attributes, chain = state
    BaseException.__setstate__(error, attributes)
    for name, value in chain.items():
        BaseException.__setattr__(error, name, value)


def reduce_member(member: enum.Enum) -> tuple[Any, ...]:
    """A member of an enumeration by its data: its class can't be asked for it before it has its members."""
    kind = type(member)
    base = builtin_base(kind)
    if base is object:
        args: tuple[Any, ...] = ()
    elif hasattr(base, "__getnewargs__"):
        args = base.__getnewargs__(member)
    else:
        args = base.__reduce__(member)[1]
    return new_instance, (kind, base, args), (dict(vars(member)), None, None), None, None, fill_instance
