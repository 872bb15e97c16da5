"""Arrays whose own way of being pickled would copy them into the stream, or lose what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jupyter_deployr.computenode.pickling.refusals import CannotKeep

Reduced = Any

_LARGE = 64 * 1024


def _reduce_array(array: Any) -> Reduced:
    if array.nbytes < _LARGE or array.flags.forc or array.dtype.hasobject:
        return NotImplemented
    # numpy would copy it into the stream; the copy made here leaves it as a buffer, and can be let go of.
    copy = np.ascontiguousarray(array)
    copy.flags.writeable = array.flags.writeable
    return copy.__reduce_ex__(5)


def _reduce_mapped(array: Any) -> Reduced:
    # The file that it maps stays behind.
    plain = np.array(array, subok=False)
    plain.flags.writeable = array.flags.writeable
    return plain.__reduce_ex__(5)


def new_subclass(plain: Any, kind: type) -> Any:
    """A view of a plain array as one of a subclass."""
    return plain.view(kind)


def fill_subclass(array: Any, attributes: dict[str, Any]) -> None:
    """Give it its attributes."""
    vars(array).update(attributes)


def _reduce_subclass(array: Any) -> Reduced:
    if array.nbytes < _LARGE or array.dtype.hasobject:
        return NotImplemented
    return new_subclass, (array.view(np.ndarray), type(array)), dict(vars(array)), None, None, fill_subclass


def new_masked(data: Any, mask: Any) -> Any:
    """A masked array over these arrays; without a mask for None."""
    array: Any = np.ma.MaskedArray(data, mask=np.ma.nomask if mask is None else mask)
    return array


def _reduce_masked(array: Any) -> Reduced:
    mask = np.ma.getmask(array)
    attributes = {name: value for name, value in vars(array).items() if name != "_mask"}
    return new_masked, (array.data, None if mask is np.ma.nomask else mask), attributes, None, None, fill_subclass


def _reduce_ufunc(function: Any) -> Reduced:
    if function.__name__.isidentifier():
        return NotImplemented
    raise CannotKeep("what numpy.frompyfunc made can't be saved: keep the function that it was made of")


def reducer_for(kind: type) -> Callable[[Any], Reduced] | None:
    """How arrays of that type are reduced; None for numpy's own way."""
    if kind in _REDUCERS:
        return _REDUCERS[kind]
    methods = ("__reduce__", "__reduce_ex__", "__setstate__")
    if issubclass(kind, np.ndarray) and all(getattr(kind, name) is getattr(np.ndarray, name) for name in methods):
        return _reduce_subclass
    return None


_REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    np.ndarray: _reduce_array,
    np.memmap: _reduce_mapped,
    np.ma.MaskedArray: _reduce_masked,
    np.ufunc: _reduce_ufunc,
}
