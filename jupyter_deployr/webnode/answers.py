"""What an operation may answer with besides its success, as its route declares it for the core documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from jupyter_deployr.protocol.models import Error


def failing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route, for FastAPI's `responses`.

    Only those that are its own: what any operation answers is known from the route (core_document.py).
    """
    return {status: {"model": Error, "description": HTTPStatus(status).phrase} for status in statuses}


def file(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """A success that is a file, for FastAPI's `responses`."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content}}
