"""Parameters of services: their types and names, and what a definition says of each."""

from __future__ import annotations

import json
import keyword
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from jupyter_deployr.protocol.errors import BadRequest

TYPES: tuple[str, ...] = ("logical", "numeric", "integer", "character", "vector", "matrix", "data.frame")

_ALIASES: Mapping[str, str] = {
    "string": "character",
    "str": "character",
    "float": "numeric",
    "double": "numeric",
    "int": "integer",
    "bool": "logical",
    "list": "vector",
    "array": "vector",
    "dataframe": "data.frame",
}


def canonical_type(name: Any) -> str:
    """The server's name of a parameter type; aliases such as `string` are accepted. Raises BadRequest with the list."""
    if isinstance(name, str):
        known = _ALIASES.get(name.lower(), name.lower())
        if known in TYPES:
            return known
        name = shortened(name)
    allowed = ", ".join(TYPES)
    raise BadRequest(f"Unknown parameter type {name!r}. The types are: {allowed}.", fields=["type"])


def check_name(name: Any) -> str:
    """A parameter's name must be usable as a Python variable. Raises BadRequest."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        shown = shortened(name) if isinstance(name, str) else name
        raise BadRequest(f"A parameter's name must be a Python variable name, not {shown!r}.", fields=["name"])
    if (written := unicodedata.normalize("NFKC", name)) != name:
        raise BadRequest(f"Python reads the parameter name {name!r} as {written!r}; write it so.", fields=["name"])
    if name.startswith("__") and name.endswith("__"):
        raise BadRequest(f"The parameter name {name!r} is Python's own; take another.", fields=["name"])
    return name


def shortened(text: str) -> str:
    """The beginning of a text that may be of any length, for messages."""
    return text if len(text) <= 60 else text[:60] + "…"


DETAILS: tuple[str, ...] = ("description", "default", "enum", "minimum", "maximum", "example")
"""What a definition may say of a parameter beside its name and type."""


@dataclass(frozen=True, eq=False)
class Parameter:
    """An input or output of a service version: its name and canonical type, and what else its definition says.

    `default`, `example`, `minimum`, `maximum` and the values of `enum` are JSON values; None is a member that isn't
    given. Of a vector or matrix, `enum`, `minimum` and `maximum` speak of each element. Two parameters are equal when
    they say the same in JSON, where 1, 1.0 and true differ.
    """

    name: str
    type: str
    description: str | None = None
    default: Any = None
    enum: tuple[Any, ...] | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    example: Any = None

    @property
    def details(self) -> dict[str, Any]:
        """The members that are given, beside name and type."""
        given = {member: getattr(self, member) for member in DETAILS}
        return {
            member: list(value) if isinstance(value, tuple) else value
            for member, value in given.items()
            if value is not None
        }

    @property
    def for_calls(self) -> Parameter:
        """Without what readers of documents see only: two parameters that take the same values are equal then."""
        return replace(self, description=None, example=None)

    def to_json(self) -> list[Any]:
        """`[name, type]`, and the details behind them if there are any."""
        return [self.name, self.type, self.details] if self.details else [self.name, self.type]

    @classmethod
    def from_json(cls, document: list[Any]) -> Parameter:
        """The reverse of `to_json`."""
        name, kind, *rest = document
        details = dict(rest[0]) if rest else {}
        if "enum" in details:
            details["enum"] = tuple(details["enum"])
        return cls(name, kind, **details)

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.to_json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


Parameters = tuple[Parameter, ...]
"""Inputs or outputs in the order of the service's definition."""
