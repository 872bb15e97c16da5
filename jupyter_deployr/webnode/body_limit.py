"""Request bodies are measured while they are read, and refused when they grow too large."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from jupyter_deployr.protocol.errors import PayloadTooLarge
from jupyter_deployr.webnode.asgi import Message, Receive


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


def too_large(limit: int) -> PayloadTooLarge:
    """The error for a body of more than `limit` bytes."""
    return PayloadTooLarge(f"The request body is larger than {limit:,} bytes.")


def limited(receive: Receive, limit: int) -> Receive:
    """`receive` for FastAPI, which lets no exception but its own through while it reads a body."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(PayloadTooLarge.status, str(too_large(limit)))
        return message

    return receive_limited


async def whole_body(receive: Receive, limit: int) -> bytes:
    """The body of a request. Raises PayloadTooLarge, ClientGone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect":
        return await _joined(message, receive, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


async def _joined(message: Message, receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while message["type"] != "http.disconnect":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientGone
