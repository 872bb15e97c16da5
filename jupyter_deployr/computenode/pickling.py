"""Pickling a workspace so that it comes back whole: one memo for all names, functions tied to the restored workspace.

cloudpickle alone gives functions defined in cells a dict of globals of their own and copies closure cells; here
functions come back with the restored workspace as their globals, and cells keep their identity.
"""

from __future__ import annotations

import functools
import pickle
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import cloudpickle

Workspace = dict[str, Any]

_restoring: list[Workspace] = []


def _restored_workspace() -> Workspace:
    return _restoring[-1]


class _TheWorkspace:
    """Stands in the pickle for the dict of the workspace that is being saved."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored_workspace, ()


_THE_WORKSPACE = _TheWorkspace()


def _new_cell() -> types.CellType:
    return types.CellType()


def _fill_cell(cell: types.CellType, contents: tuple[Any]) -> None:
    cell.cell_contents = contents[0]


def _reduce_cell(cell: types.CellType) -> tuple[Any, ...]:
    # Made empty and filled afterwards, so that what the cell holds may refer back to it.
    try:
        contents = (cell.cell_contents,)
    except ValueError:
        return _new_cell, ()
    return _new_cell, (), contents, None, None, _fill_cell


_FUNCTION_SLOTS = (
    "__annotations__",
    "__defaults__",
    "__doc__",
    "__kwdefaults__",
    "__module__",
    "__qualname__",
    "__type_params__",
)


def _new_function(code: types.CodeType, workspace: Workspace, name: str, closure: Any) -> types.FunctionType:
    return types.FunctionType(code, workspace, name, None, closure)


def _fill_function(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    slots, attributes = state
    for slot, value in slots.items():
        setattr(function, slot, value)
    function.__dict__.update(attributes)


def _reduce_function(function: types.FunctionType) -> tuple[Any, ...]:
    slots = {slot: getattr(function, slot) for slot in _FUNCTION_SLOTS if hasattr(function, slot)}
    new = (function.__code__, _THE_WORKSPACE, function.__name__, function.__closure__)
    return _new_function, new, (slots, function.__dict__), None, None, _fill_function


def _new_cached(function: Callable[..., Any], maxsize: int | None, typed: bool, attributes: dict[str, Any]) -> Any:
    cached = functools.lru_cache(maxsize=maxsize, typed=typed)(function)
    cached.__dict__.update(attributes)
    return cached


def _reduce_cached(cached: Any) -> tuple[Any, ...]:
    parameters = cached.cache_parameters()
    attributes = {name: value for name, value in vars(cached).items() if name != "__wrapped__"}
    return _new_cached, (cached.__wrapped__, parameters["maxsize"], parameters["typed"], attributes)


_Cached = type(functools.lru_cache(maxsize=1)(lambda: None))


class WorkspacePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles values of one workspace; buffers of large arrays go to `on_buffer` instead of into the stream."""

    def __init__(self, stream: BinaryIO, workspace: Workspace, on_buffer: Callable[[pickle.PickleBuffer], Any]) -> None:
        super().__init__(stream, protocol=5, buffer_callback=on_buffer)
        self._workspace = workspace

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType:
            if value.__globals__ is self._workspace:
                return _reduce_function(value)
        elif kind is types.CellType:
            return _reduce_cell(value)
        elif kind is _Cached and getattr(value.__wrapped__, "__globals__", None) is self._workspace:
            return _reduce_cached(value)
        return super().reducer_override(value)


@contextmanager
def restoring_into(workspace: Workspace, stream: Any, buffers: Iterable[Any]) -> Iterator[pickle.Unpickler]:
    """An unpickler whose functions find their globals in `workspace`."""
    _restoring.append(workspace)
    try:
        yield pickle.Unpickler(stream, buffers=buffers)  # noqa: S301 - only ever in a worker or session process
    finally:
        _restoring.pop()
