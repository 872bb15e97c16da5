"""Documents that are changed, to see who else has them."""

from __future__ import annotations

from typing import Any


def spoil(node: Any) -> None:
    """Change every container of a document in place."""
    if isinstance(node, dict):
        for child in list(node.values()):
            spoil(child)
        node["spoiled"] = True
    elif isinstance(node, list):
        for child in node:
            spoil(child)
        node.append("spoiled")
