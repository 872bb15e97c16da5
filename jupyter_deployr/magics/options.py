"""Bundles of options that several magics share."""

from __future__ import annotations

import difflib
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core import magic_arguments as ipython_arguments

from jupyter_deployr.protocol.errors import BadRequest

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import ParameterDefinition

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

# IPython's own, with types.
magic_arguments: Callable[[], Decorator] = ipython_arguments.magic_arguments
argument: Callable[..., Decorator] = ipython_arguments.argument


def bundle(*arguments: Decorator) -> Decorator:
    """One decorator that does what `arguments`, one above the other, do."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(arguments):
            method = each(method)
        return method

    return decorate


def parameter(text: str) -> ParameterDefinition:
    """`name:type` as a definition. Raises ArgumentTypeError with a suggestion."""
    from jupyter_deployr.protocol.models import ParameterDefinition
    from jupyter_deployr.protocol.parameters import TYPES, canonical_type, check_name

    name, colon, type_name = text.partition(":")
    if not colon or not type_name:
        raise ArgumentTypeError(f"{text!r} is not name:type, such as flower_data:vector")
    try:
        return ParameterDefinition(check_name(name), canonical_type(type_name))
    except BadRequest as fault:
        close = difflib.get_close_matches(type_name.lower(), TYPES, n=1)
        raise ArgumentTypeError(f"{fault} Did you mean {name}:{close[0]}?" if close else str(fault)) from None


parameter_options = bundle(
    argument(
        "-i", "--input", metavar="NAME:TYPE", nargs="+", action="extend", type=parameter, dest="inputs",
        help="inputs of the service; types: logical, numeric, integer, character, vector, matrix, data.frame",
    ),
    argument(
        "-o", "--output", metavar="NAME:TYPE", nargs="+", action="extend", type=parameter, dest="outputs",
        help="outputs of the service: variables that its code sets",
    ),
)  # fmt: skip

description_options = bundle(
    argument("--describe", metavar="TEXT", help="what the service is for, in quotes"),
    argument("--alias", metavar="NAME", help="what generated clients call the function that calls the service"),
)

workspace_options = bundle(
    argument(
        "--snapshot", metavar="SNAPSHOT",
        help="name or id of the snapshot to run on, or none; without it, a fresh one of the remote session",
    ),
    argument("--init", metavar="VARIABLE", help="a variable of this notebook with code that runs before each call"),
)  # fmt: skip

isolation_option = argument(
    "--isolation", choices=("namespace", "reload", "process"),
    help="what separates calls: variables are put back after each (namespace, the default), the snapshot is loaded "
    "anew for each, or each has a process of its own",
)  # fmt: skip
