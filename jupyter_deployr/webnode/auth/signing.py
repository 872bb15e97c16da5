"""The key that signs access tokens."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jupyter_deployr.protocol.places import write_private

ALGORITHM = "ES256"
_ISSUER = "jupyter_deployr"
_AUDIENCE = "deployr"
_LEEWAY_SECONDS = 90
_REQUIRED = ["aud", "exp", "family", "iat", "iss", "jti", "sub"]


class InvalidToken(Exception):
    """A token that this server didn't sign, or whose time is over; the text says which."""


class TokenSigner:
    """Signs and verifies claims with the private key in `path`, which is made when it isn't there."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            fresh = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, fresh.decode("ascii"))
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._private = key
        self._public = key.public_key()
        encoded = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._key_id = hashlib.sha256(encoded).hexdigest()[:16]

    def sign(self, claims: dict[str, Any]) -> str:
        """A signed token of these claims."""
        return jwt.encode(
            {**claims, "iss": _ISSUER, "aud": _AUDIENCE},
            self._private,
            algorithm=ALGORITHM,
            headers={"kid": self._key_id},
        )

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this server signed and that is still valid. Raises InvalidToken."""
        try:
            if jwt.get_unverified_header(token).get("kid") != self._key_id:
                raise InvalidToken("The access token was not issued by this server.")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The access token has expired; log in again or renew it.") from None
        except jwt.ImmatureSignatureError:
            raise InvalidToken("The access token is not valid yet: the clocks of client and server differ.") from None
        except jwt.PyJWTError:
            raise InvalidToken("The access token is not valid.") from None
        return claims
