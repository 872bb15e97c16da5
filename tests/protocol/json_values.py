"""Values in and out, as the tests of both directions make them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jupyter_deployr.protocol.inputs import InputReader
from jupyter_deployr.protocol.outputs import OutputWriter
from jupyter_deployr.protocol.parameters import Parameter
from jupyter_deployr.protocol.strict_json import write_json

NAN = float("nan")

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()

json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


def read(kind: Any, text: Any) -> Any:
    """What user code receives for the JSON `text`."""
    body = b'{"x": ' + (text.encode() if isinstance(text, str) else text) + b"}"
    return InputReader([Parameter("x", kind)]).read(body)["x"]


def written(kind: Any, value: Any) -> Any:
    """The JSON of an output, parsed by a strict parser."""

    def refuse(token: Any) -> None:
        raise AssertionError(token)

    return json.loads(write_json(OutputWriter([Parameter("y", kind)]).write({"y": value})), parse_constant=refuse)["y"]


def array(items: Any, dtype: Any) -> Any:
    if dtype is not object:
        return np.array(items, dtype)
    found = np.empty(len(items), object)
    found[:] = items
    return found
