"""Names of services and versions: one pattern that is safe in a path, a header and a page."""

from __future__ import annotations

import keyword
import re
import unicodedata
from urllib.parse import quote

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.parameters import shortened
from jupyter_deployr.protocol.swagger import fixed_operations

_PATTERN = re.compile(r"\w(?:[\w .~@+-]{0,126}[\w~@+-])?")
_FIXED_OPERATIONS = fixed_operations()
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


def check_alias(alias: str) -> str:
    """Return `alias` if generated clients can name the method after it that calls a version. Raises BadRequest."""
    shown = shortened(alias)
    if not alias.isidentifier() or keyword.iskeyword(alias):
        raise BadRequest(f"The alias {shown!r} must be usable as a function name.", fields=["operationId"])
    if alias in _FIXED_OPERATIONS:
        raise BadRequest(
            f"The alias {shown!r} is another operation of every service's document; take another.",
            fields=["operationId"],
        )
    return alias


def consume_path(name: str, version: str) -> str:
    """The path that answers calls of a version, percent-encoded."""
    return f"/api/{quote(name, safe='~@+')}/{quote(version, safe='~@+')}"
