"""Types of the standard library whose own way of being pickled loses something, or doesn't exist."""

from __future__ import annotations

import dataclasses
import functools
import gc
import operator
import sys
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

from jupyter_deployr.computenode.pickling.refusals import CannotKeep

Reduced = Any


def _in_module(value: Any, name: str) -> tuple[Any, ...] | None:
    """By its module and name, when it is found there and the module is not the workspace."""
    module = sys.modules.get(value.__module__)
    if module is None or value.__module__ == "__main__" or getattr(module, name, None) is not value:
        return None
    return getattr, (module, name)


# ----------------------------------------------------------------------------------------------- type parameters


def new_type_variable(name: str, module: str, constraints: tuple[Any, ...], options: dict[str, Any]) -> typing.TypeVar:
    """A TypeVar as it was declared in `module`."""
    make: Any = typing.TypeVar
    variable: typing.TypeVar = make(name, *constraints, **options)
    variable.__module__ = module
    return variable


def _reduce_type_variable(variable: Any) -> Reduced:
    options = {"bound": variable.__bound__, "covariant": variable.__covariant__}
    options["contravariant"] = variable.__contravariant__
    if getattr(variable, "__infer_variance__", False):
        options["infer_variance"] = True
    new = (variable.__name__, variable.__module__, variable.__constraints__, options)
    return _in_module(variable, variable.__name__) or (new_type_variable, new)


def new_parameters(kind: Any, name: str, module: str) -> Any:
    """A ParamSpec or TypeVarTuple as it was declared in `module`."""
    parameters = kind(name)
    parameters.__module__ = module
    return parameters


def _reduce_parameters(parameters: Any) -> Reduced:
    new = (type(parameters), parameters.__name__, parameters.__module__)
    return _in_module(parameters, parameters.__name__) or (new_parameters, new)


def new_distinct_type(name: str, module: str, supertype: Any) -> Any:
    """A NewType as it was declared in `module`."""
    make: Any = typing.NewType
    distinct = make(name, supertype)
    distinct.__module__ = module
    return distinct


def _reduce_distinct_type(distinct: Any) -> Reduced:
    new = (distinct.__qualname__, distinct.__module__, distinct.__supertype__)
    return _in_module(distinct, distinct.__name__) or (new_distinct_type, new)


def new_alias(name: str, value: Any, parameters: tuple[Any, ...]) -> Any:
    """What a `type` statement made."""
    return typing.TypeAliasType(name, value, type_params=parameters)  # type: ignore[attr-defined]


def _reduce_alias(alias: Any) -> Reduced:
    new = (alias.__name__, alias.__value__, alias.__type_params__)
    return _in_module(alias, alias.__name__) or (new_alias, new)


# ------------------------------------------------------------------------------------------------------- views


def _behind(view: Any) -> Any:
    """What a view shows, which the view itself doesn't hand out."""
    (shown,) = gc.get_referents(view)
    return shown


def _reduce_proxy(proxy: Any) -> Reduced:
    return types.MappingProxyType, (_behind(proxy),)


def _view_reducer(method: str) -> Callable[[Any], Reduced]:
    return lambda view: (operator.methodcaller(method), (_behind(view),))


def _reduce_memory(memory: memoryview) -> Reduced:
    whole = None if memory.obj is None else memoryview(memory.obj)
    if whole is None or (whole.nbytes, whole.format, whole.shape, whole.strides, whole.readonly) != (
        memory.nbytes,
        memory.format,
        memory.shape,
        memory.strides,
        memory.readonly,
    ):
        raise CannotKeep("a memoryview of a part of something can't be saved: keep bytes(...) of it")
    return memoryview, (memory.obj,)


# ----------------------------------------------------------------------------------------------- weak references


def new_dead_reference() -> weakref.ref[Any]:
    """A reference to something that is gone."""
    return weakref.ref(type("Gone", (), {})())


def _reduce_reference(reference: Any) -> Reduced:
    referent, callback = reference(), reference.__callback__
    if referent is None:
        return new_dead_reference, ()
    return weakref.ref, ((referent,) if callback is None else (referent, callback))


def _reduce_weak_dict(weak: Any) -> Reduced:
    return type(weak), (), None, None, iter(list(weak.items()))


# --------------------------------------------------------------------------------------------------------- others


def new_cached_property(function: Any) -> Any:
    """A `cached_property` that has not been asked yet."""
    return functools.cached_property(function)


def fill_cached_property(cached: Any, attributes: dict[str, Any]) -> None:
    """Give it the name that it has in its class."""
    vars(cached).update(attributes)


def _reduce_cached_property(cached: Any) -> Reduced:
    # Python 3.11 keeps a lock in it.
    attributes = {name: value for name, value in vars(cached).items() if name not in ("func", "lock")}
    return new_cached_property, (cached.func,), attributes, None, None, fill_cached_property


def _reduce_member_descriptor(descriptor: Any) -> Reduced:
    return getattr, (descriptor.__objclass__, descriptor.__name__)


# What IPython puts in the place of a stream's `write` while a cell runs, to hear what is written.
WRITE_IN_CELLS = "InteractiveShell._tee.<locals>.write"


def reduce_write(function: types.FunctionType) -> Reduced:
    """By the stream that it writes to."""
    held = (cell.cell_contents for cell in function.__closure__ or ())
    original = next((each for each in held if isinstance(each, types.MethodType)), None)
    if original is None:
        raise CannotKeep("what a stream writes with during a cell can't be saved: ask the stream for it")
    return getattr, (original.__self__, "write")


def _by_name(module: types.ModuleType, name: str) -> Callable[[Any], Reduced]:
    return lambda value: (getattr, (module, name))


_EMPTY: dict[Any, Any] = {}

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    typing.TypeVar: _reduce_type_variable,
    typing.ParamSpec: _reduce_parameters,
    typing.TypeVarTuple: _reduce_parameters,
    typing.NewType: _reduce_distinct_type,
    types.MappingProxyType: _reduce_proxy,
    type(_EMPTY.keys()): _view_reducer("keys"),
    type(_EMPTY.values()): _view_reducer("values"),
    type(_EMPTY.items()): _view_reducer("items"),
    memoryview: _reduce_memory,
    weakref.ref: _reduce_reference,
    weakref.WeakKeyDictionary: _reduce_weak_dict,
    weakref.WeakValueDictionary: _reduce_weak_dict,
    functools.cached_property: _reduce_cached_property,
    types.MemberDescriptorType: _reduce_member_descriptor,
    # Each process has one of these, and asks whether it is it.
    type(dataclasses.MISSING): _by_name(dataclasses, "MISSING"),
    type(dataclasses.KW_ONLY): _by_name(dataclasses, "KW_ONLY"),
    type(dataclasses._HAS_DEFAULT_FACTORY): _by_name(dataclasses, "_HAS_DEFAULT_FACTORY"),  # type: ignore[attr-defined]
}
if sys.version_info >= (3, 12):
    REDUCERS[typing.TypeAliasType] = _reduce_alias
