"""The states of the global generators of `random` and numpy, as JSON."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

# Its annotations don't know of all that it has.
_numpy: Any = np.random
_ARRAY = "array"


def random_states() -> dict[str, Any]:
    """Where the generators are now. What draws numpy's bits may be any of its bit generators; None for another's."""
    version, words, gauss = random.getstate()
    return {
        "python": [version, words, gauss],
        "numpy": None if foreign_bit_generator() else _to_json(np.random.get_state(legacy=False)),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put the generators where they were."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    state = states["numpy"]
    if state is None:
        return
    name = state["bit_generator"]
    if type(_bit_generator()).__name__ != name:
        _numpy.set_bit_generator(getattr(np.random, name)())
    np.random.set_state(_from_json(state))


def foreign_bit_generator() -> str | None:
    """The class that draws numpy's bits when it is none of numpy's own, whose state can't be told."""
    kind = type(_bit_generator())
    return None if getattr(np.random, kind.__name__, None) is kind else f"{kind.__module__}.{kind.__qualname__}"


def _bit_generator() -> Any:
    return _numpy.get_bit_generator()


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return {_ARRAY: value.tolist(), "dtype": value.dtype.str}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return np.array(value[_ARRAY], value["dtype"])
    return {name: _from_json(part) for name, part in value.items()}
