"""Reads `Iris V1.0 flower_data=[7, 3.2, 4.7, 1.4] strict=True`: words, then names with Python expressions."""

from __future__ import annotations

import io
import itertools
import shlex
import tokenize
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError


def split(line: str) -> tuple[list[str], dict[str, str]]:
    """The words, and name → expression. Raises UsageError.

    Expressions may hold spaces, brackets, commas and strings: a new one begins only at a `name=` outside of brackets.
    """
    rest = line.strip()
    head = 0
    while head < len(rest) and not _begins_assignment(rest[head:]):
        word = rest[head:].split(maxsplit=1)[0]
        head += len(word)
        head += len(rest[head:]) - len(rest[head:].lstrip())
    try:
        words = shlex.split(rest[:head])
    except ValueError as fault:
        raise UsageError(str(fault)) from None
    return words, _assignments(rest[head:])


def evaluate(expressions: Mapping[str, str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Name → value. Raises UsageError naming the expression at fault."""
    values = {}
    for name, expression in expressions.items():
        try:
            values[name] = eval(compile(expression, f"<{name}>", "eval"), namespace)  # noqa: S307  the user's own code
        except SyntaxError as fault:
            raise UsageError(f"the value of {name} is no Python expression ({fault.msg})") from None
        except Exception as fault:
            raise UsageError(f"the value of {name} raises {type(fault).__name__}: {fault}") from None
    return values


def _begins_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.rstrip().isidentifier()


def _assignments(text: str) -> dict[str, str]:
    if not text:
        return {}
    lines = text.splitlines(keepends=True)
    line_starts = [0, *itertools.accumulate(len(line) for line in lines)]
    starts: list[tuple[str, int, int]] = []  # name, where it begins, where its expression begins
    depth = 0
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        raise UsageError("brackets or quotes in the inputs don't match") from None
    for token, after in itertools.pairwise(tokens):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        elif token.type == tokenize.NAME and after.string == "=" and depth == 0:
            begin = line_starts[token.start[0] - 1] + token.start[1]
            if begin == 0 or text[begin - 1].isspace() or text[begin - 1] == ",":
                starts.append((token.string, begin, line_starts[after.end[0] - 1] + after.end[1]))
    ends = [begin for _, begin, _ in starts[1:]] + [len(text)]
    found: dict[str, str] = {}
    for (name, _, begin), end in zip(starts, ends, strict=True):
        # Commas between the inputs, as in a call, are no part of them.
        expression = text[begin:end].strip().rstrip(",").rstrip()
        if not expression:
            raise UsageError(f"{name} has no value")
        if name in found:
            raise UsageError(f"{name} is given twice")
        found[name] = expression
    return found
