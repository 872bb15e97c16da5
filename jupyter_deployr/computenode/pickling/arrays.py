"""Arrays whose own way of being pickled would copy them into the stream, or lose what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jupyter_deployr.computenode.pickling.refusals import CannotKeep

Reduced = Any

_LARGE = 64 * 1024
_FROM_BUFFER: Any = np.zeros(1).__reduce_ex__(5)[0]


def new_owner(*arguments: Any) -> Any:
    """An array that owns its data, as one made in a cell: it can be resized."""
    return _FROM_BUFFER(*arguments).copy("K")


def _reduce_array(array: Any) -> Reduced:
    if array.dtype.hasobject:
        return NotImplemented
    large = array.nbytes >= _LARGE
    if array.flags.forc:
        if large:
            return NotImplemented
        contiguous = array
    else:
        # numpy would copy it into the stream, and forget whether it can be written to; the copy made here leaves it as
        # a buffer, and can be let go of.
        contiguous = np.ascontiguousarray(array)
        contiguous.flags.writeable = array.flags.writeable
    told = contiguous.__reduce_ex__(5)
    return (new_owner, *told[1:]) if not large and told[0] is _FROM_BUFFER and array.flags.writeable else told


def _reduce_mapped(array: Any) -> Reduced:
    # The file that it maps stays behind.
    plain = np.array(array, subok=False)
    plain.flags.writeable = array.flags.writeable
    return plain.__reduce_ex__(5)


def new_subclass(plain: Any, kind: type) -> Any:
    """A view of a plain array as one of a subclass."""
    return plain.view(kind)


def fill_subclass(array: Any, attributes: Any) -> None:
    """Give it its attributes: a dict, or a pair of that and its slots."""
    named, slots = attributes if isinstance(attributes, tuple) else (attributes, None)
    if named:
        vars(array).update(named)
    for name, value in (slots or {}).items():
        object.__setattr__(array, name, value)


def fill_objects(array: Any, state: tuple[Any, Any]) -> None:
    """Give an array of objects its contents, which may refer back to it, and its attributes."""
    contents, attributes = state
    np.ndarray.__setstate__(array, contents)
    fill_subclass(array, attributes)


def _reduce_subclass(array: Any) -> Reduced:
    attributes = object.__getstate__(array)
    if array.dtype.hasobject:
        made_by, arguments, contents = array.__reduce__()
        return made_by, arguments, (contents, attributes), None, None, fill_objects
    return new_subclass, (array.view(np.ndarray), type(array)), attributes or {}, None, None, fill_subclass


def new_masked(data: Any, mask: Any, kind: type = np.ma.MaskedArray) -> Any:
    """A masked array over these arrays; without a mask for None."""
    array: Any = np.ma.MaskedArray(data, mask=np.ma.nomask if mask is None else mask)
    return array if kind is np.ma.MaskedArray else array.view(kind)


def _reduce_masked(array: Any) -> Reduced:
    mask = np.ma.getmask(array)
    attributes = {name: value for name, value in vars(array).items() if name != "_mask"}
    arguments = (array.data, None if mask is np.ma.nomask else mask, type(array))
    return new_masked, arguments, attributes, None, None, fill_subclass


def _reduce_ufunc(function: Any) -> Reduced:
    if function.__name__.isidentifier():
        return NotImplemented
    raise CannotKeep("what numpy.frompyfunc made can't be saved: keep the function that it was made of")


def reducer_for(kind: type) -> Callable[[Any], Reduced] | None:
    """How arrays of that type are reduced; None for numpy's own way."""
    if kind in _REDUCERS:
        return _REDUCERS[kind]
    methods = ("__reduce__", "__reduce_ex__", "__setstate__")
    for base, reduce in ((np.ma.MaskedArray, _reduce_masked), (np.ndarray, _reduce_subclass)):
        if issubclass(kind, base) and all(getattr(kind, name) is getattr(base, name) for name in methods):
            return reduce
    return None


_REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    np.ndarray: _reduce_array,
    np.memmap: _reduce_mapped,
    np.ma.MaskedArray: _reduce_masked,
    np.ufunc: _reduce_ufunc,
}
