"""What the pickler does besides restoring: it tells the packages it needs, and lets go of copies."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.tree
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from jupyter_deployr.computenode.pickling import WorkspacePickler, unpickler_into

# what is pickled -> the top-level packages that it needs
PACKAGES: dict[str, tuple[Any, set[str]]] = {
    "plain values": ([1, "a", {2: None}], set()),
    "the standard library": ([io.BytesIO, pickle], set()),
    "a module": (pd, {"pandas"}),
    "a submodule": (sklearn.tree, {"sklearn"}),
    "a class": (SVC, {"sklearn"}),
    "a function": (pd.concat, {"pandas"}),
    "a ufunc": (np.add, {"numpy"}),
    "an instance": (make_pipeline(SVC()), {"sklearn"}),
    "an array": (np.zeros(3), {"numpy"}),
    "a frame": (pd.DataFrame({"a": [1]}), {"pandas", "numpy"}),
    "a sparse matrix": (scipy.sparse.eye_array(3), {"scipy", "numpy"}),
    "a random generator": (np.random.default_rng(), {"numpy"}),
}


@pytest.mark.parametrize("what", PACKAGES)
def test_packages(what: str) -> None:
    value, expected = PACKAGES[what]
    pickler = WorkspacePickler(io.BytesIO(), {}, lambda buffer: None)
    pickler.dump(value)
    assert pickler.packages - {"cloudpickle"} == expected


_LARGE = np.arange(4_000_000.0).reshape(2000, 2000)

COPIED = {
    "a strided array": lambda: _LARGE[::2, ::2],
    "a cube": lambda: _LARGE.reshape(200, 100, 200).transpose(1, 0, 2),
    "a masked array": lambda: np.ma.MaskedArray(_LARGE, mask=_LARGE < 5),
    "a strided masked array": lambda: np.ma.MaskedArray(_LARGE, mask=_LARGE < 5)[::2, ::2],
    "a frame": lambda: pd.DataFrame(_LARGE),
    "a strided frame": lambda: pd.DataFrame(_LARGE[::2, ::2]),
    "a matrix": lambda: _LARGE.view(np.matrix),
    "a record array": lambda: np.zeros(1_000_000, [("x", "f8")]).view(np.recarray),
}


@pytest.mark.parametrize("what", COPIED)
def test_no_copy_outlives_its_name(what: str) -> None:
    value = COPIED[what]()
    stream = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = WorkspacePickler(stream, {}, buffers.append)
    tracemalloc.start()
    try:
        pickler.dump(value)
        contents = [bytearray(buffer.raw()) for buffer in buffers]
        for buffer in buffers:
            buffer.release()
        held = tracemalloc.get_traced_memory()[0] - sum(map(len, contents))
    finally:
        tracemalloc.stop()
    assert len(stream.getvalue()) < 100_000
    assert held < 1_000_000
    restored = unpickler_into({}, io.BytesIO(stream.getvalue()), contents).load()
    assert type(restored) is type(value)
    assert np.asarray(restored).tobytes() == np.asarray(value).tobytes()
    if isinstance(value, np.ma.MaskedArray):
        assert (restored.mask == value.mask).all()


READ_ONLY = {
    "a small view": lambda: np.broadcast_to(np.arange(3.0), (2, 3)),
    "a large view": lambda: np.broadcast_to(np.arange(3.0), (20_000, 3)),
    "windows": lambda: np.lib.stride_tricks.sliding_window_view(np.arange(10), 3),
    "a small array": lambda: np.frombuffer(bytes(80)),
    "a large array": lambda: np.frombuffer(bytes(800_000)),
}


@pytest.mark.parametrize("what", READ_ONLY)
def test_what_is_read_only_stays_so(what: str) -> None:
    value = READ_ONLY[what]()
    stream = io.BytesIO()
    contents: list[memoryview] = []
    WorkspacePickler(stream, {}, lambda buffer: contents.append(memoryview(bytearray(buffer.raw())))).dump(value)
    restored = unpickler_into({}, io.BytesIO(stream.getvalue()), contents).load()
    assert np.array_equal(restored, value)
    assert not restored.flags.writeable
