"""Options of libraries that cells may set: of pandas, scikit-learn and numpy, and the context of `decimal`."""

from __future__ import annotations

import decimal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Options = dict[tuple[str, str], Any]

_CALLBACK = "callback"
_OF_DECIMAL = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def options_now() -> Options:
    """All options of the libraries that are imported, by library and name."""
    found: Options = {}
    pandas: Any = sys.modules.get("pandas")
    if hasattr(pandas, "options"):
        # Asked for by its name, each option that is deprecated would warn.
        found.update(
            (("pandas", name), value) for name, value in _flat("", object.__getattribute__(pandas.options, "d"))
        )
    sklearn: Any = sys.modules.get("sklearn")
    if hasattr(sklearn, "get_config"):
        found.update((("sklearn", name), value) for name, value in sklearn.get_config().items())
    found.update((("numpy print", name), value) for name, value in np.get_printoptions().items())
    found.update((("numpy error", name), value) for name, value in np.geterr().items())
    found["numpy error", _CALLBACK] = np.geterrcall()
    context = decimal.getcontext()
    found.update((("decimal", name), getattr(context, name)) for name in _OF_DECIMAL)
    found["decimal", "traps"] = dict(context.traps)
    return found


def changed_options(before: Options) -> Options:
    """The options that are others than they were."""
    return {key: value for key, value in options_now().items() if key in before and not _same(before[key], value)}


def _flat(prefix: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _set_pandas_option(name: str, value: Any) -> None:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pd.set_option(name, value)


def _set_sklearn_option(name: str, value: Any) -> None:
    import sklearn

    sklearn.set_config(**{name: value})


def _set_print_option(name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    np.set_printoptions(**options)


def _set_error_handling(name: str, value: Any) -> None:
    if name == _CALLBACK:
        np.seterrcall(value)
    else:
        np.seterr(**{name: value})


def _set_decimal(name: str, value: Any) -> None:
    setattr(decimal.getcontext(), name, value)


SETTERS: dict[str, Callable[[str, Any], None]] = {
    "pandas": _set_pandas_option,
    "sklearn": _set_sklearn_option,
    "numpy print": _set_print_option,
    "numpy error": _set_error_handling,
    "decimal": _set_decimal,
}
