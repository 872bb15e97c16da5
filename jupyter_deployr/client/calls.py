"""What every operation has in common: who asks, what travels, what comes back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from jupyter_deployr.client.tokens import TokenKeeper
from jupyter_deployr.client.transport import Transport
from jupyter_deployr.protocol.errors import BadRequest, Unauthorized, UnexpectedResponse
from jupyter_deployr.protocol.models import to_wire

Headers = Mapping[str, str] | None
Answer = TypeVar("Answer")


def path(*segments: str) -> str:
    """The segments as a URL path, percent-encoded. Raises BadRequest for one that a URL can't carry."""
    for segment in segments:
        if not isinstance(segment, str):
            raise BadRequest(f"{segment!r} can't be a name, a version or an id: it is no text.")
        if segment in ("", ".", ".."):
            raise BadRequest(f"{segment!r} can't be a name, a version or an id.")
    return "".join("/" + quote(segment, safe="") for segment in segments)


class Caller:
    """Sends operations with the caller's own headers or, where they name no credential, with the kept token."""

    def __init__(self, transport: Transport, tokens: TokenKeeper) -> None:
        self._transport = transport
        self._tokens = tokens

    def call(
        self,
        kind: type[Answer],
        method: str,
        path: str,
        headers: Headers = None,
        *,
        model: Any = None,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """The answer as `kind`. `model` is the request's body, or `body` its JSON."""
        data = as_body(model) if model is not None else body
        return self.with_token(
            headers,
            lambda sent: as_model(
                kind, self._transport.send(method, path, body=data, query=query, headers=sent, timeout=timeout)
            ),
        )

    def with_token(self, headers: Headers, send: Callable[[dict[str, str]], Answer]) -> Answer:
        """What `send` returns for the headers to send; it is called again with a renewed token if need be."""
        own = dict(headers or {})
        named = any(name.lower() == "authorization" for name in own)
        token = None if named else self._tokens.access_token()
        if token is None:
            return send(own)
        try:
            return send({**own, "Authorization": f"Bearer {token}"})
        except Unauthorized:
            renewed = self._tokens.access_token_after(token)
        return send({**own, "Authorization": f"Bearer {renewed}"} if renewed else own)


def as_body(model: Any) -> bytes:
    """`model` as a request body. Raises BadRequest for a value in it that has no JSON form."""
    try:
        return to_wire(model)
    except TypeError as refusal:
        raise BadRequest(f"The request can't be sent: {refusal}.") from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def as_model(kind: type[Answer], document: Any) -> Answer:
    """`document` as `kind`. Raises UnexpectedResponse, which doesn't repeat the document: it may hold a token."""
    try:
        answer: Answer = _adapter(cast(Any, kind)).validate_python(document)
    except ValidationError as faults:
        first = faults.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the whole"
        complaint = f"The answer is not what this operation answers with ({where}: {first['msg']})."
    else:
        return answer
    raise UnexpectedResponse(f"{complaint} Is this address a DeployR server?")
