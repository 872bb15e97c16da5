"""Functions that are saved with their code: they come back with the same globals, cells and attributes."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

Reduced = tuple[Any, ...]

CachedFunction = type(functools.lru_cache(maxsize=1)(lambda: None))

_SLOTS = (
    "__annotations__",
    "__defaults__",
    "__doc__",
    "__kwdefaults__",
    "__module__",
    "__qualname__",
    "__type_params__",
)


def new_cell() -> types.CellType:
    """An empty cell."""
    return types.CellType()


def fill_cell(cell: types.CellType, contents: tuple[Any]) -> None:
    """Put into a cell what it held."""
    cell.cell_contents = contents[0]


def reduce_cell(cell: types.CellType) -> Reduced:
    """Made empty and filled afterwards, so that what the cell holds may refer back to it."""
    try:
        contents = (cell.cell_contents,)
    except ValueError:
        return new_cell, ()
    return new_cell, (), contents, None, None, fill_cell


def new_function(code: types.CodeType, home: Any, name: str, closure: Any) -> types.FunctionType:
    """A function whose globals are `home`, a dict or a module."""
    names = vars(home) if isinstance(home, types.ModuleType) else home
    return types.FunctionType(code, names, name, None, closure)


def fill_function(
    function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]
) -> None:
    """Give a function what may refer back to it, and its globals what it needs of them."""
    slots, attributes, names = state
    function.__globals__.update(names or {})
    for slot, value in slots.items():
        setattr(function, slot, value)
    function.__dict__.update(attributes)


def reduce_function(function: types.FunctionType, home: Any, names: dict[str, Any] | None = None) -> Reduced:
    """By its code; `home` is the dict or module that its globals are to be, to which `names` are added."""
    slots = {slot: getattr(function, slot) for slot in _SLOTS if hasattr(function, slot)}
    new = (function.__code__, home, function.__name__, function.__closure__)
    return new_function, new, (slots, function.__dict__, names), None, None, fill_function


def new_cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function with an empty cache."""
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def fill_cached(cached: Any, attributes: dict[str, Any]) -> None:
    """Give a cached function the attributes that it had."""
    cached.__dict__.update(attributes)


def reduce_cached(cached: Any) -> Reduced:
    """A function of `lru_cache` or `cache` by what it wraps; the cache comes back empty."""
    parameters = cached.cache_parameters()
    # The function may carry another one in `__wrapped__` than it calls, so what it calls is asked of the cache.
    new = (cached.__wrapped__, parameters["maxsize"], parameters["typed"])
    return new_cached, new, dict(vars(cached)), None, None, fill_cached
