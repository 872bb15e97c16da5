"""Texts of exceptions that user code raises: their classes are its own, and may fail at this too."""

from __future__ import annotations


def error_text(error: BaseException) -> str:
    """What the exception says of itself."""
    try:
        return str(error)
    except BaseException as worse:
        return f"(its text can't be shown: {type(worse).__name__})"
