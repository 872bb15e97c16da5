"""Text that every encoding can carry, made of what user code calls text.

Python's strings may hold halves of surrogate pairs: code makes them, and names of files that are no UTF-8 have them. No
response, database or client takes those.
"""

from __future__ import annotations

import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
# How Python reads the bytes 0x80 to 0xFF of a file's name that are no UTF-8.
_BYTES = range(0xDC80, 0xDD00)


def whole_text(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair; two halves that belong together become one character."""
    if _is_whole(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def whole_texts(document: Any) -> Any:
    """Plain JSON values, with `whole_text` for all strings in them."""
    match document:
        case str():
            return whole_text(document)
        case dict():
            return {whole_texts(name): whole_texts(value) for name, value in document.items()}
        case list() | tuple():
            return [whole_texts(value) for value in document]
    return document


def shown_name(name: str) -> str:
    r"""A name that was made by code, as it is shown: what is no text stands as `\xe9` (a byte) or `\ud800` (a half).

    Names that differ look different, but for one that has such letters itself.
    """
    return name if _is_whole(name) else _HALF.sub(_escaped, name)


def _is_whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(half: re.Match[str]) -> str:
    code = ord(half[0])
    return f"\\x{code - 0xDC00:02x}" if code in _BYTES else f"\\u{code:04x}"
