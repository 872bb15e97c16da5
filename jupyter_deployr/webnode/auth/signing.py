"""Access tokens as signed claims."""

from __future__ import annotations

from typing import Any

import jwt

from jupyter_deployr.webnode.auth.keys import LEEWAY_SECONDS, SigningKeys

ALGORITHM = "ES256"
_ISSUER = "jupyter_deployr"
_AUDIENCE = "deployr"
_REQUIRED = ["aud", "exp", "family", "iat", "iss", "jti", "sub"]


class InvalidToken(Exception):
    """A token that this server didn't sign, or whose time is over; the text says which."""


class TokenSigner:
    """Signs claims with the newest of the server's keys, and verifies what any of them has signed."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed token of these claims."""
        key = self._keys.current()
        return jwt.encode(
            {**claims, "iss": _ISSUER, "aud": _AUDIENCE},
            key.private,
            algorithm=ALGORITHM,
            headers={"kid": key.id},
        )

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this server signed and that is still valid. Raises InvalidToken."""
        try:
            # Nothing else of the unverified header is looked at: the key decides on the algorithm.
            public = self._keys.find(str(jwt.get_unverified_header(token).get("kid")))
            if public is None:
                raise InvalidToken("The access token was not issued by this server, or its signing key was replaced.")
            claims: dict[str, Any] = jwt.decode(
                token,
                public,
                algorithms=[ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The access token has expired; log in again or renew it.") from None
        except jwt.ImmatureSignatureError:
            raise InvalidToken("The access token is not valid yet: the clocks of client and server differ.") from None
        except jwt.PyJWTError:
            raise InvalidToken("The access token is not valid.") from None
        return claims
