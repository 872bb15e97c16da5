"""Members of a publish request that the server doesn't know, which must not be dropped without a word.

A request with one that would change what is published is refused: one that this server can't do yet, and any in the
definition of a parameter, where nothing but misspelt limits is to be expected. Others are ignored, since clients may
send more than this server knows, and named to the publisher.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic.alias_generators import to_camel

from jupyter_deployr.protocol.definitions import INPUTS, OUTPUTS
from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import ParameterDefinition, PublishWebServiceRequest
from jupyter_deployr.protocol.parameters import shortened

_NOT_YET = ("vectorized", "timeout", "limits", "sample")
_MOST_NAMED = 20


def _names(model: type[Any]) -> dict[str, str]:
    """Every name that a model reads a member under, and the one that it travels under."""
    written = {each.name: to_camel(each.name) for each in fields(model)}
    return written | {name: name for name in written.values()}


_REQUEST = _names(PublishWebServiceRequest)
_DEFINITION = _names(ParameterDefinition)


async def _ignored(request: Request) -> list[str]:
    document = await request.json() if await request.body() else None
    if not isinstance(document, dict):
        return []
    _refuse(document)
    unknown = [name for name in document if name not in _REQUEST and name not in _NOT_YET]
    notes = [f"The {_unknown(name, _REQUEST)}; it was ignored." for name in unknown[:_MOST_NAMED]]
    if len(unknown) > _MOST_NAMED:
        notes.append(f"{len(unknown) - _MOST_NAMED} more members are unknown and were ignored.")
    return notes


IgnoredMembers = Annotated[list[str], Depends(_ignored)]
"""A sentence for each member of the request's body that is ignored. Raises BadRequest for those that must not be."""


def _refuse(document: Mapping[str, Any]) -> None:
    faults = {
        name: f"{name} is not supported by this server yet; leave it out" for name in _NOT_YET if document.get(name)
    }
    for where in (INPUTS, OUTPUTS):
        faults |= _in_definitions(where, document.get(where))
    if faults:
        told = list(faults)[:_MOST_NAMED]
        more = len(faults) - len(told)
        end = f"; and {more} more faults." if more else "."
        raise BadRequest("; ".join(faults[each] for each in told) + end, fields=told)


def _in_definitions(where: str, definitions: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(definitions, list):
        return
    for position, definition in enumerate(definitions):
        if isinstance(definition, dict):
            name = definition.get("name")
            place = f"{where}.{shortened(name) if isinstance(name, str) and name else position}"
            for member in definition:
                if member not in _DEFINITION:
                    shown = shortened(member)
                    yield f"{place}.{shown}", f"{place}: the {_unknown(member, _DEFINITION)}"


def _unknown(name: str, known: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name[:100], list(known), 1)
    hint = f" (did you mean {known[close[0]]}?)" if close else ""
    return f"member {shortened(name)!r} is unknown{hint}"
