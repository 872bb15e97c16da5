"""How much a JSON body may hold beside its bytes: members, elements, and digits of a number."""

from __future__ import annotations

import re

from jupyter_deployr.protocol.errors import BadRequest

MOST_MEMBERS = 100_000
"""Members that the objects of one document may have together."""

MOST_ELEMENTS = 10_000_000
"""Members and elements of arrays that one document may have together."""

MOST_DIGITS = 8_600
"""Digits that a number may have."""

# No member is shorter than `"":0,`, no element shorter than `0,`.
_SHORTEST_MEMBER = 5
_SHORTEST_ELEMENT = 2
# Among more digits than the most, one block of this length that begins at a multiple of it has nothing but digits.
_BLOCK = MOST_DIGITS // 2
# A text, or what ends a name or an element, or too long a number.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[:,]|[0-9]{%d}' % (MOST_DIGITS + 1), re.DOTALL)


def check_extent(body: bytes) -> None:
    """Raises BadRequest for a document with too many members or elements or too long a number, before it is parsed.

    Costs next to nothing, unless the text looks as if one of them was there; then other threads have their turn.
    """
    length = len(body)
    if length <= MOST_DIGITS:
        return
    if (
        (length > MOST_MEMBERS * _SHORTEST_MEMBER and body.count(b":") > MOST_MEMBERS)
        or (length > MOST_ELEMENTS * _SHORTEST_ELEMENT and body.count(b",") > MOST_ELEMENTS)
        or any(body[start : start + _BLOCK].isdigit() for start in range(0, length, _BLOCK))
    ):
        _count(body)


def _count(body: bytes) -> None:
    names = ends = 0
    for mark in _MARK.finditer(body):
        match body[mark.start()]:
            case 0x3A:  # a colon
                names += 1
                if names > MOST_MEMBERS:
                    raise BadRequest(f"The request body has more than {MOST_MEMBERS:,} members.")
            case 0x2C:  # a comma
                ends += 1
                if ends > MOST_ELEMENTS:
                    raise BadRequest(f"The request body has more than {MOST_ELEMENTS:,} elements.")
            case 0x22:  # a text
                pass
            case _:
                raise BadRequest(f"The request body has a number of more than {MOST_DIGITS:,} digits.")
