"""Values that a cell has imported by name, `from conf import SETTINGS`: they come back as the module's own.

The module is imported where the pickle is restored, and its value is given the contents that it had in the session.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Collection
from typing import Any

from jupyter_deployr.computenode.pickling.modules import Modules
from jupyter_deployr.computenode.pickling.refusals import CannotKeep, refusal_of

_CONTAINERS = (dict, list, set)
_HEAP_TYPE = 1 << 9
_PROTOCOL, _UNICODE, _STACK_GLOBAL, _TUPLE3 = b"\x80\x05", b"X", b"\x93", b"\x87"
_REDUCE, _MEMOIZE, _POP = b"R", b"\x94", b"0"


class ImportedValues:
    """Which values of a workspace another module has under a name too."""

    def __init__(self, workspace: dict[str, Any], modules: Modules, replaced: Collection[tuple[str, str]]) -> None:
        """`replaced` are modules and names that an import doesn't find what is there now under."""
        wanted = {id(value): value for value in workspace.values() if _may_be_imported(value)}
        self._places: dict[int, tuple[str, str]] = {}
        packages = {type(value).__module__.partition(".")[0] for value in wanted.values()}
        # A package and what is in it lie in one place, and to look where costs some microseconds.
        are_local: dict[str, bool] = {}
        for module in map(modules.module_of, list(sys.modules) if wanted else ()):
            if module is None or vars(module) is workspace:
                continue
            package = module.__name__.partition(".")[0]
            if package not in are_local:
                are_local[package] = modules.is_local(modules.module_of(package) or module)
            local = are_local[package]
            if not local and package not in packages:
                continue
            for name, value in vars(module).copy().items():
                place = module.__name__, name
                if id(value) in wanted and place not in replaced and (local or _of_package(value, module)):
                    self._places.setdefault(id(value), place)
        for key, (name, _) in list(self._places.items()):
            try:
                modules.check(name)
            except CannotKeep:
                del self._places[key]

    def place_of(self, value: Any) -> tuple[str, str] | None:
        """The module that has the value, and its name there; None for any other value."""
        return self._places.get(id(value))


def _may_be_imported(value: Any) -> bool:
    """Whether it is a container, or an instance of a class in a module that says nothing of how it is pickled."""
    kind = type(value)
    if kind in _CONTAINERS:
        return True
    if not kind.__flags__ & _HEAP_TYPE or kind.__module__ == "__main__" or refusal_of(kind) is not None:
        return False
    if kind.__base__ is not object or issubclass(kind, type | types.ModuleType) or hasattr(kind, "__setstate__"):
        return False
    if any(
        getattr(kind, name) is not getattr(object, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__")
    ):
        return False
    return _is_under_its_name(kind) and isinstance(_state(value), dict | None)


def _is_under_its_name(kind: type) -> bool:
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def _state(value: Any) -> Any:
    try:
        return object.__getstate__(value)
    except TypeError:
        return ()


def _of_package(value: Any, module: types.ModuleType) -> bool:
    """Whether the value's class comes from the same package: other containers of a library are its own business."""
    return type(value).__module__.partition(".")[0] == module.__name__.partition(".")[0]


class Filled:
    """Pickled in the place of an imported value that has been memoized: gives it its contents."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        value = self._value
        if isinstance(value, dict):
            return fill_value, (value, list(value.items()))
        return fill_value, (value, list(value) if type(value) in _CONTAINERS else _state(value))


def fill_value(value: Any, contents: Any) -> Any:
    """Give an imported value the contents that it had; returns it."""
    if type(value) is list:
        value[:] = contents
    elif type(value) in _CONTAINERS:
        value.clear()
        value.update(contents)
    elif contents is not None:
        attributes = object.__getattribute__(value, "__dict__")
        attributes.clear()
        attributes.update(contents)
    return value


def value_in(module: str, name: str, kind: Any) -> Any:
    """What the module has under the name; where that is nothing of this kind, an empty one is put there, since it was
    the session that had put it there."""
    home = importlib.import_module(module)
    found = getattr(home, name, None)
    if type(found) is not kind:
        found = kind.__new__(kind)
        setattr(home, name, found)
    return found


def steps_to(module: str, name: str, kind: type) -> bytes:
    """The steps of a pickle that memoize what the module has under the name."""
    arguments = _text(module) + _text(name) + _global(kind.__module__, kind.__qualname__) + _TUPLE3
    return _PROTOCOL + _global(__name__, value_in.__name__) + arguments + _REDUCE + _MEMOIZE + _POP


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + _STACK_GLOBAL


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _UNICODE + len(encoded).to_bytes(4, "little") + encoded
