"""What all magics have in common: their arguments are read, and their errors shown, in one place."""

from __future__ import annotations

import functools
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics

from jupyter_deployr.magics.connection import Connection
from jupyter_deployr.magics.failures import CellFailed, as_failure, one_line
from jupyter_deployr.magics.live_session import LiveSession
from jupyter_deployr.protocol.errors import DeployRError

Hints = Mapping[type[DeployRError], str]


class Verbs(Magics):
    """A family of magics on the notebook's connection and live session."""

    def __init__(self, shell: InteractiveShell, connection: Connection, session: LiveSession) -> None:
        super().__init__(shell)
        self.ipython = shell
        self.connection = connection
        self.session = session


def verb(hints: Hints | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a method a magic's body.

    Below it stands `@magic_arguments()`: the method gets the parsed arguments and the cell (None without one). `hints`
    say what to do about an error of a kind.
    """
    return functools.partial(_shielded, hints=hints or {}, read=_parsed)


def raw_verb(hints: Hints | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `verb`, for a method that takes the line as it stands."""
    return functools.partial(_shielded, hints=hints or {}, read=lambda method, line: line)


def _shielded(
    method: Callable[..., Any], *, hints: Hints, read: Callable[[Callable[..., Any], str], Any]
) -> Callable[..., Any]:
    name = method.__name__

    @functools.wraps(method)
    def run(self: Verbs, line: str, cell: str | None = None, **scope: Any) -> Any:
        try:
            return method(self, read(method, line), cell, **scope)
        except UsageError as misuse:
            sentence = str(misuse) if str(misuse).endswith("?") else f"{misuse}."
            failure = CellFailed(one_line(f"UsageError: {sentence} `%{name}?` shows how it is used."))
        except DeployRError as error:
            failure = as_failure(error, next((hint for kind, hint in hints.items() if isinstance(error, kind)), ""))
        except KeyboardInterrupt:
            failure = CellFailed(f"Interrupted: %{name} didn't wait for the server's answer.")
        # Raised out here so that it carries no context, whose frames are no business of the notebook's.
        raise failure

    return run


def _parsed(method: Callable[..., Any], line: str) -> Namespace:
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise UsageError(str(fault)) from None
    arguments: Namespace = method.parser.parse_args(words)  # type: ignore[attr-defined]
    return arguments
