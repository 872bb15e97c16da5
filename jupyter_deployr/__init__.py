"""Publish a live notebook session as a versioned web service."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0"
__all__ = ["__version__", "load_ipython_extension"]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """`%load_ext jupyter_deployr`: register the magics. Nothing heavy is imported before one of them is used."""
    from jupyter_deployr.magics import register

    register(ipython)
