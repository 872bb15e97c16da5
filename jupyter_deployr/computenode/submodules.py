"""What calls import below a package of the version: it stays imported, so the package must go on holding it."""

from __future__ import annotations

import sys
from typing import Any


class ImportedSubmodules:
    """Remembers which modules are imported when it is made; those that calls import are added to their packages.

    An import binds a submodule in its package once only: a package that is put back to what it was before would lack it
    for ever.
    """

    def __init__(self) -> None:
        self._packages: list[tuple[str, dict[str, Any]]] = []
        self._known = frozenset(sys.modules)
        self._imported = len(sys.modules)

    def add(self, package: str, attributes: dict[str, Any]) -> None:
        """`attributes` are what the package of that name is put back to."""
        self._packages.append((package, attributes))

    def bind(self) -> None:
        """Add the submodules imported since."""
        if not self._packages or len(sys.modules) == self._imported:
            return
        self._imported = len(sys.modules)
        new = [name.rpartition(".") for name in list(sys.modules) if name not in self._known]
        for package, attributes in self._packages:
            attributes.update({name: sys.modules[f"{package}.{name}"] for parent, _, name in new if parent == package})
