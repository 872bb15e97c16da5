"""What objects hold: how far the restoring of a namespace looks into them, and where it stops.

Restored are lists, dicts, sets and the containers of `collections`, functions, `lru_cache` functions, and classes
and modules that are the version's own: defined in cells, made by hand, or in files of the working directory.
What can't change itself but holds others, such as a tuple, a bound method or a partial, is looked through. All else is
opaque: instances, arrays, frames, and containers of more than `OPAQUE_ABOVE` elements; but what is the version's own
within opaque objects, its functions and, in a library's objects, instances of its classes, is reached too.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import operator
import os
import pathlib
import re
import sys
import types
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

OPAQUE_ABOVE = 1000

MAPPINGS = frozenset({dict, collections.Counter, collections.OrderedDict, collections.defaultdict})
CONTAINERS = frozenset({list, collections.deque, set, *MAPPINGS})

Cached = functools._lru_cache_wrapper
_HOLDERS = frozenset(
    {
        tuple, frozenset, slice, types.MethodType, types.BuiltinMethodType, types.MethodWrapperType, property,
        staticmethod, classmethod, functools.partial, types.MappingProxyType, operator.itemgetter,
        operator.methodcaller,
    }
)  # fmt: skip
_DESCRIPTORS = frozenset({functools.cached_property, functools.partialmethod, functools.singledispatchmethod})
_WEAK = frozenset({weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet})
# Most of what containers hold, told apart at once.
_ATOMS = frozenset({type(None), bool, int, float, str})
_PLAIN = (
    type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented), re.Pattern, enum.Enum,
    np.generic, np.ufunc, np.dtype, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal,
    fractions.Fraction, uuid.UUID, pathlib.PurePath, types.CodeType, types.GenericAlias, types.UnionType,
    types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType,
    types.ClassMethodDescriptorType, operator.attrgetter,
)  # fmt: skip
_HEAP_TYPE = 1 << 9
# What Python and libraries put into modules and classes by themselves; other dunder names are as good as any.
_GIVEN = frozenset({"__builtins__", "__loader__", "__path__", "__spec__", "__signature__"})
_GIVEN_BY_LIBRARIES = ("__dataclass_", "__pydantic_", "__attrs_")
# What is searched for the version's own.
_MOST_SEARCHED = 100_000
_NOT_SEARCHED = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType)


def walk(roots: Iterable[Any], but: dict[str, Any]) -> Iterator[Any]:
    """Each object that `roots` reach, once; left out are what can't change and holds nothing, what belongs to
    libraries, and the dict `but`."""
    seen = {id(vars(builtins)), id(but)}
    searched: set[int] = set()
    todo = list(roots)
    while todo:
        value = todo.pop()
        if type(value) not in _ATOMS and id(value) not in seen and not _settled(value):
            seen.add(id(value))
            yield value
            todo += _held_by(value)
            if is_opaque(value):
                todo += _own_inside(value, searched)


def is_large(value: Any) -> bool:
    """Whether it is a container with too many elements to be looked at after each call."""
    return type(value) in CONTAINERS and len(value) > OPAQUE_ABOVE


def is_opaque(value: Any) -> bool:
    """Whether changes inside it are neither undone nor looked at. Of what `walk` yields."""
    kind = type(value)
    return not (
        kind in CONTAINERS
        or kind in _HOLDERS
        or kind in _DESCRIPTORS
        or kind in _WEAK
        or kind in (types.FunctionType, types.ModuleType, types.SimpleNamespace, Cached)
        or issubclass(kind, (type, enum.Enum))
        or _is_plain_tuple(value)
    )


def made_here(module: dict[str, Any], directory: str | None = None) -> bool:
    """Whether these are the globals of cells, of a module made by hand, or of one in the working directory, which is
    `directory` or, without one, the current one."""
    if module.get("__name__") == "__main__" or module.get("__spec__") is None:
        return True
    place, folders = module.get("__file__"), module.get("__path__")
    if place is None and isinstance(folders, Iterable):
        # A package without a file of its own.
        place = next(iter(folders), None)
    return isinstance(place, str) and place.startswith(f"{directory or working_directory()}{os.sep}")


def is_own(kind: type) -> bool:
    """Whether a class is the version's: made in cells, or in a module of the working directory."""
    module = sys.modules.get(kind.__module__) if isinstance(kind.__module__, str) else None
    return isinstance(module, types.ModuleType) and made_here(vars(module))


def working_directory() -> str:
    """The current directory, as modules' files are named; one in which nothing lies when it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text is wanted
    except FileNotFoundError:
        return os.devnull


def _settled(value: Any) -> bool:
    """Whether no call changes it, or it is a library's: documented as staying, rather than noted each time."""
    # Its type is what counts: a proxy may claim another class, or raise when it is asked.
    kind = type(value)
    if kind in CONTAINERS:
        return kind is dict and "__spec__" in value and not made_here(value)
    if kind is types.FunctionType or issubclass(kind, type):
        return _of_library(value)
    if issubclass(kind, types.ModuleType):
        return kind is not types.ModuleType or not made_here(vars(value))
    if kind is object or kind.__module__ == "typing" or kind.__name__ in ("_abc_data", "_lru_list_elem"):
        return True
    if kind in _HOLDERS or kind in _DESCRIPTORS or kind is Cached:
        return False
    if hasattr(kind, "__get__") and _of_library(kind):
        # What a library has put into a class, such as the fields of a named tuple.
        return True
    if issubclass(kind, _PLAIN):
        return _of_library(kind) or not hasattr(value, "__dict__")
    return False


def _of_library(value: types.FunctionType | type) -> bool:
    """Whether it is found under its name in an imported module that isn't the version's own."""
    if isinstance(value, type) and not value.__flags__ & _HEAP_TYPE:
        return True
    module = sys.modules.get(value.__module__) if isinstance(value.__module__, str) else None
    if not isinstance(module, types.ModuleType) or made_here(vars(module)):
        return False
    found: Any = module
    for part in value.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found is value


def _is_plain_tuple(value: Any) -> bool:
    return issubclass(type(value), (tuple, frozenset)) and not hasattr(value, "__dict__")


def _held_by(value: Any) -> Iterable[Any]:
    kind = type(value)
    if is_large(value):
        return ()
    if kind in CONTAINERS:
        if kind not in MAPPINGS:
            inside = list(value)
        elif "__spec__" in value:
            inside = list(_members(value))
        else:
            inside = [*value, *value.values()]
        return [*inside, getattr(value, "default_factory", None), getattr(value, "__dict__", None)]
    if kind is types.FunctionType:
        return _held_by_function(value)
    if kind is Cached:
        return [value.__wrapped__, vars(value), *_results(value)]
    if issubclass(kind, type):
        return [*_members(vars(value)), *value.__bases__, type(value)]
    if kind is types.ModuleType:
        return _members(vars(value))
    if kind in _WEAK:
        return [value.data]
    if kind in _DESCRIPTORS:
        return [held for name, held in vars(value).items() if name != "lock"]
    if kind is types.SimpleNamespace or issubclass(kind, enum.Enum):
        return [vars(value), kind]
    if kind in _HOLDERS or _is_plain_tuple(value):
        # The attributes of a partial or a static method, which else would be made when the first of them is set.
        getattr(value, "__dict__", None)
        return gc.get_referents(value)
    # Its own content is opaque, what its class holds is not.
    return [kind]


def _held_by_function(function: types.FunctionType) -> list[Any]:
    held: list[Any] = [function.__defaults__, function.__kwdefaults__, vars(function)]
    if made_here(function.__globals__):
        held.append(function.__globals__)
    for cell in function.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:
            continue
    return held


def _members(attributes: Mapping[str, Any]) -> Iterator[Any]:
    """The attributes of a class or module, without those that it has been given."""
    for name, member in attributes.items():
        if name not in _GIVEN and not (isinstance(name, str) and name.startswith(_GIVEN_BY_LIBRARIES)):
            yield member


def _own_inside(opaque: Any, searched: set[int]) -> Iterator[Any]:
    """The version's functions in an opaque object, and instances of its classes in one of a library.

    No code of the object is run to find them: it may be anything.
    """
    instances_too = not is_own(type(opaque))
    todo = gc.get_referents(opaque)
    while todo and len(searched) < _MOST_SEARCHED:
        value = todo.pop()
        kind = type(value)
        if kind in _ATOMS or id(value) in searched:
            continue
        searched.add(id(value))
        if kind is types.FunctionType:
            if made_here(value.__globals__):
                yield value
        elif instances_too and is_own(kind):
            yield value
        elif not (issubclass(kind, _NOT_SEARCHED) or is_large(value) or (kind is dict and "__builtins__" in value)):
            todo += gc.get_referents(value)


def stock_of(cached: Any) -> list[Any]:
    """What an `lru_cache` function holds: keys, and results or what they hang on."""
    held: list[Any] = []
    for part in gc.get_referents(cached):
        held += [*part, *part.values()] if type(part) is dict else [part]
    return held


def _results(cached: Any) -> Iterator[Any]:
    """What an `lru_cache` function has in stock: with a bound its results hang on it, without one in a dict."""
    attributes = vars(cached)
    for held in gc.get_referents(cached):
        if type(held) is not dict:
            yield held
        elif held is not attributes and len(held) <= OPAQUE_ABOVE:
            yield from held.values()
