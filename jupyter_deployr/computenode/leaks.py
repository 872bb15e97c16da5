"""What calls of a version may leave behind in its namespace, where it can be seen coming."""

from __future__ import annotations

from typing import Any

from jupyter_deployr.computenode.reach import OPAQUE_ABOVE, is_large, is_opaque, is_own, walk
from jupyter_deployr.computenode.used_names import Used

# What only asks an estimator.
_ASKS = frozenset(
    {
        "predict", "predict_proba", "predict_log_proba", "decision_function", "score", "score_samples", "transform",
        "inverse_transform", "apply", "kneighbors", "get_params", "get_feature_names_out",
    }
)  # fmt: skip
_MAX_LISTED = 20


def foreseeable_leaks(used: Used, names: dict[str, Any]) -> list[str]:
    """Sentences on what calls that use so much of `names` may change there for good: large containers, opaque objects.

    Each is named, `array (ndarray)`, or what holds it is, `table (holds ndarray)`.
    """
    large: list[str] = []
    opaque: list[str] = []
    for name in sorted(used.names):
        value = names[name]
        reached = list(walk([value], but=names))
        sizes = list(dict.fromkeys(f"{len(each):,} elements" for each in reached if is_large(each)))
        changeable = [each for each in reached if is_opaque(each) and not _only_asked(each, used)]
        kinds = list(dict.fromkeys(type(each).__name__ for each in changeable))
        if sizes:
            large.append(_entry(name, sizes, holds=not is_large(value)))
        if kinds:
            opaque.append(_entry(name, kinds, holds=not any(each is value for each in changeable)))
    notes = []
    if large:
        notes.append(
            f"Containers of more than {OPAQUE_ABOVE:,} elements are not put back after a call: {_list(large)}."
        )
    if opaque:
        notes.append(f"Changes that a call makes inside these objects stay for the next call: {_list(opaque)}.")
    return notes


def _entry(name: str, what: list[str], *, holds: bool) -> str:
    return f"{name} ({'holds ' if holds else ''}{_list(what)})"


def _only_asked(value: Any, used: Used) -> bool:
    """Whether it is a library's estimator and the code mentions nothing of it but what leaves it as it is."""
    kind = type(value)
    if not (hasattr(kind, "get_params") and hasattr(kind, "fit")) or any(map(is_own, kind.__mro__)):
        return False
    return not used.stores and used.attributes & set(dir(value)) <= _ASKS


def _list(items: list[str]) -> str:
    more = len(items) - _MAX_LISTED
    return ", ".join(items[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
