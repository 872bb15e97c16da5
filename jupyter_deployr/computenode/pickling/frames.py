"""Frames and series of a class that is saved with its contents: pandas leaves out what such a class has added."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from jupyter_deployr.computenode.pickling.instances import new_instance

# Made anew by pandas, or a part of its own state.
_OF_PANDAS = frozenset({"_mgr", "_attrs", "_flags", "_item_cache", "_cacher", "_is_copy", "_cache"})


def reducer_for(kind: type) -> Callable[[Any], Any] | None:
    """How objects of a class that a cell has derived from one of pandas are reduced; None for any other class."""
    pandas: Any = sys.modules.get("pandas")
    base = next((each for each in (getattr(pandas, "DataFrame", object), getattr(pandas, "Series", object))
                 if each is not object and issubclass(kind, each)), None)  # fmt: skip
    if base is None or any(getattr(kind, name) is not getattr(base, name) for name in ("__getstate__", "__setstate__")):
        return None
    return _reduce


def _reduce(data: Any) -> Any:
    attributes = {name: value for name, value in vars(data).items() if name not in _OF_PANDAS}
    return new_instance, (type(data), object, ()), (data.__getstate__(), attributes), None, None, fill


def fill(data: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Give it its data, and the attributes that it had in the session."""
    told, attributes = state
    data.__setstate__(told)
    vars(data).update(attributes)
