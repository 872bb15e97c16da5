"""Names of services and versions: one pattern that is safe in a path, a header and a page."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from jupyter_deployr.protocol.errors import BadRequest

_PATTERN = re.compile(r"\w(?:[\w .~@+-]{0,126}[\w~@+-])?")
_RESERVED = frozenset({"batch", "docs", "log", "login", "openapi.json", "pool", "stats", "swagger.json"})


def check_name(what: str, name: str) -> str:
    """Return `name` if it can be that of a service or version ("service name", "version"). Raises BadRequest."""
    if name.lower() in _RESERVED:
        raise BadRequest(f"The {what} {name!r} is a reserved word; take another.", fields=["name"])
    if not _PATTERN.fullmatch(name) or unicodedata.normalize("NFKC", name) != name:
        shown = name if len(name) <= 40 else name[:40] + "…"
        raise BadRequest(
            f"The {what} {shown!r} can't be used: up to 128 letters, digits, spaces and any of . _ ~ @ + - are "
            "allowed, beginning with a letter or digit.",
            fields=["name"],
        )
    return name


def consume_path(name: str, version: str) -> str:
    """The path that answers calls of a version, percent-encoded."""
    return f"/api/{quote(name, safe='~@+')}/{quote(version, safe='~@+')}"
