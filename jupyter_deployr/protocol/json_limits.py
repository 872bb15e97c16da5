"""How much a JSON body may hold beside its bytes: members, and digits of a number."""

from __future__ import annotations

import re

from jupyter_deployr.protocol.errors import BadRequest

MOST_MEMBERS = 100_000
"""Members that the objects of one document may have together."""

MOST_DIGITS = 8_600
"""Digits that a number may have."""

# No member is shorter than `"":0,`.
_SHORTEST_MEMBER = 5
# Among more digits than the most, one block of this length that begins at a multiple of it has nothing but digits.
_BLOCK = MOST_DIGITS // 2
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MOST_DIGITS + 1))


def check_extent(body: bytes) -> None:
    """Raises BadRequest for a document with too many members or too long a number, before it is parsed.

    Costs next to nothing, unless the text looks as if one of them was there.
    """
    if len(body) <= MOST_DIGITS:
        return
    many = len(body) > MOST_MEMBERS * _SHORTEST_MEMBER and body.count(b":") > MOST_MEMBERS
    long = any(body[start : start + _BLOCK].isdigit() for start in range(0, len(body), _BLOCK))
    if not many and not long:
        return
    bare = _STRING.sub(b'""', body)
    if bare.count(b":") > MOST_MEMBERS:
        raise BadRequest(f"The request body has more than {MOST_MEMBERS:,} members.")
    if _LONG_NUMBER.search(bare):
        raise BadRequest(f"The request body has a number of more than {MOST_DIGITS:,} digits.")
