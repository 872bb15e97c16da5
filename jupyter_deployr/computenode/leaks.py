"""What calls of a version may leave behind in its namespace, where it can be seen coming."""

from __future__ import annotations

import enum
import functools
import re
import types
from typing import Any

import numpy as np

from jupyter_deployr.computenode.namespace import OPAQUE_ABOVE, UNDONE
from jupyter_deployr.computenode.used_names import Used, used_by

_IMMUTABLE = (
    type(None), bool, int, float, complex, str, bytes, frozenset, range, type, types.ModuleType, types.FunctionType,
    types.BuiltinFunctionType, re.Pattern, functools.partial, enum.Enum, np.generic, np.ufunc,
    # A call may fill its cache, which shows in nothing but time.
    functools._lru_cache_wrapper,
)  # fmt: skip
_MAX_LISTED = 20


def foreseeable_leaks(code: types.CodeType, names: dict[str, Any]) -> list[str]:
    """Sentences on what calls of `code` may change in `names` for good: large containers and opaque objects."""
    large: list[str] = []
    opaque: list[str] = []
    used = used_by(code, names)
    for name in sorted(used.names):
        value = names[name]
        if type(value) in UNDONE and len(value) > OPAQUE_ABOVE:
            large.append(f"{name} ({len(value):,} elements)")
        elif type(value) not in UNDONE and not isinstance(value, _IMMUTABLE) and not _only_asked(value, used):
            opaque.append(f"{name} ({type(value).__name__})")
    notes = []
    if large:
        notes.append(
            f"Containers of more than {OPAQUE_ABOVE:,} elements are not put back after a call: {_list(large)}."
        )
    if opaque:
        notes.append(f"Changes that a call makes inside these objects stay for the next call: {_list(opaque)}.")
    return notes


def _only_asked(value: Any, used: Used) -> bool:
    """Whether it is an estimator that the code can only be predicting with: fitting would change it."""
    estimator = hasattr(type(value), "get_params") and hasattr(type(value), "fit")
    fits = any(name.startswith(("fit", "partial_fit", "set_")) for name in used.attributes)
    return estimator and not fits and not used.stores


def _list(items: list[str]) -> str:
    more = len(items) - _MAX_LISTED
    return ", ".join(items[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
