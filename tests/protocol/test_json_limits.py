"""Members and digits of a JSON body are counted, and nothing in a text is."""

from __future__ import annotations

import pytest

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.json_limits import MOST_DIGITS, MOST_MEMBERS, check_extent


def members(count: int) -> bytes:
    """So many members, half of them deep in arrays."""
    outer = ",".join(f'"k{number}":0' for number in range(count // 2))
    inner = ",".join('{"i" : 0}' for _ in range(count - count // 2 - 1))
    return f'{{"a":[{inner}],{outer}}}'.encode()


TAKEN = {
    "as many members as there may be": members(MOST_MEMBERS),
    "as many digits as there may be": b"[" + b"7" * MOST_DIGITS + b"]",
    "digits on both sides of a point": b"[" + b"7" * MOST_DIGITS + b"." + b"7" * MOST_DIGITS + b"]",
    "digits in a text": b'["' + b"7" * 50_000 + b'"]',
    "ten million elements": b"[" + b"0," * 9_999_999 + b"0]",
    "commas in a text": b'["' + b"," * 21_000_000 + b'"]',
    "colons in a text": b'["' + b":" * 600_000 + b'"]',
    "members in a text": b'["' + rb"\"a\":0," * 120_000 + b'"]',
}

REFUSED = {
    "a member more": (members(MOST_MEMBERS + 1), "more than 100,000 members"),
    "two digits more": (b"[" + b"7" * (MOST_DIGITS + 2) + b"]", "more than 8,600 digits"),
    "too many elements": (b"[" + b"[]," * 10_000_001 + b"0]", "more than 10,000,000 elements"),
    "digits behind a point": (b"[1.5, 0." + b"7" * 9_000 + b"]", "more than 8,600 digits"),
    "digits after a text of digits": (
        b'["' + b"7" * 20_000 + b'", ' + b"7" * 20_000 + b"]",
        "more than 8,600 digits",
    ),
}


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN)
def test_taken(body: bytes) -> None:
    check_extent(body)


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        check_extent(body)


@pytest.mark.parametrize("before", range(0, 2 * MOST_DIGITS, 977))
def test_a_long_number_is_found_wherever_it_stands(before: int) -> None:
    with pytest.raises(BadRequest, match="digits"):
        check_extent(b" " * before + b"7" * (MOST_DIGITS + 1))
