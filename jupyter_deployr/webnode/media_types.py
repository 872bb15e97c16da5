"""What request bodies may be by their headers: JSON where JSON is read, and never compressed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jupyter_deployr.protocol.errors import UnsupportedMediaType

Headers = Iterable[tuple[bytes, bytes]]

USUAL_JSON = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
"""What nearly every request says of its body."""


_JSON = re.compile(rb"(application|text)/json|[\w.!#$&^-]+/[\w.!#$&^+-]+\+json", re.IGNORECASE)


def is_json(content_type: bytes) -> bool:
    """Whether a Content-Type means JSON: `application/json`, `text/json` or any `+json`, whatever its parameters."""
    return _JSON.fullmatch(content_type.partition(b";")[0].strip()) is not None


def check_encoding(headers: Headers) -> None:
    """Raises UnsupportedMediaType for a compressed body: a small one could unpack to any size."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType(
                f"The request body is encoded as {_shown(value)}; send it as it is, without Content-Encoding."
            )


def check_json(headers: Headers) -> None:
    """Raises UnsupportedMediaType for a body that says it is not JSON; it need not say anything."""
    for name, value in headers:
        if name == b"content-type" and value.strip() and not is_json(value):
            raise UnsupportedMediaType(
                f"The request body must be JSON: send it with Content-Type application/json, not {_shown(value)}."
            )


def check_body(headers: Headers, body: bytes) -> None:
    """Both checks, of which a body that is empty needs none to be JSON."""
    check_encoding(headers)
    if body:
        check_json(headers)


def _shown(value: bytes) -> str:
    return repr(value[:100].decode("latin-1"))
