"""Jupyter messages between the web node and a session, as bytes: user code may put any string into them."""

from __future__ import annotations

import json
from typing import Any

import orjson
from jupyter_client.jsonutil import json_default

from jupyter_deployr.protocol.characters import whole_texts

_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def pack(part: Any) -> bytes:
    """A part of a message, whatever strings and numbers it holds. Raises TypeError, ValueError for no JSON at all."""
    try:
        return orjson.dumps(part, default=json_default, option=_OPTIONS)
    except TypeError:
        # Halves of surrogate pairs, integers of any size, names that are none: as escapes and digits they arrive.
        return json.dumps(part, default=json_default).encode("ascii")


def unpack_whole(data: bytes) -> Any:
    """A part of a message from a session, with `whole_text` for its strings. Raises ValueError, RecursionError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return whole_texts(json.loads(bytes(data).decode("utf-8", "replace")))
