"""Access and refresh tokens: issued in pairs, renewed in a chain, revoked together."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import threading
import time
import uuid
from typing import NoReturn

from jupyter_deployr.protocol.errors import Unauthorized
from jupyter_deployr.protocol.models import AccessTokenResponse
from jupyter_deployr.webnode.auth.accounts import LocalAccounts
from jupyter_deployr.webnode.auth.principal import Principal
from jupyter_deployr.webnode.auth.signing import InvalidToken, TokenSigner
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.store import AccessChanges, TokenFamily, TokenFamilyStore

_log = logging.getLogger(__name__)

_PREFIX = b"Bearer "
_MAX_HEADER_BYTES = 8192
_MAX_VERIFIED = 4096
_LOOK_SECONDS = 0.5

INVALID_REFRESH = "Invalid or expired refresh token."


class Tokens:
    """Issues and checks tokens. All but `verified` and `follow_changes` block; call them in a thread."""

    def __init__(
        self,
        families: TokenFamilyStore,
        accounts: LocalAccounts,
        changes: AccessChanges,
        signer: TokenSigner,
        settings: Settings,
    ) -> None:
        self._families = families
        self._accounts = accounts
        self._changes = changes
        self._signer = signer
        self._settings = settings
        self._verified: dict[bytes, tuple[float, Principal]] = {}
        self._last_expiry = 0.0
        self._forgotten = 0
        self._remembering = threading.Lock()
        self._seen = changes.serial()
        self._looking = True

    # ------------------------------------------------------------------------------------------ access tokens

    def verified(self, header: bytes) -> Principal | None:
        """Who sent this Authorization header, if it was checked before and is still valid: a look-up, no more."""
        entry = self._verified.get(header)
        if entry is not None and entry[0] > time.time():
            return entry[1]
        return None

    def verify(self, header: bytes) -> Principal:
        """Check an Authorization header, empty for none, in full. Raises Unauthorized."""
        if not header:
            raise Unauthorized("Invalid credentials: the request has no Authorization header with a bearer token.")
        if len(header) > _MAX_HEADER_BYTES or header[: len(_PREFIX)].lower() != _PREFIX.lower():
            raise Unauthorized("Invalid credentials: the Authorization header must be `Bearer` and an access token.")
        try:
            claims = self._signer.verify(header[len(_PREFIX) :].strip().decode("ascii"))
        except (InvalidToken, UnicodeDecodeError) as fault:
            message = str(fault) if isinstance(fault, InvalidToken) else "The access token is not valid."
            raise Unauthorized(f"Invalid credentials: {message}") from None
        forgotten = self._forgotten
        family = self._families.find(claims["family"])
        if family is None or family.revoked or family.access_id != claims["jti"]:
            raise Unauthorized("Invalid credentials: The access token has been revoked or renewed; log in again.")
        principal = self._accounts.principal(claims["sub"])
        if principal is None:
            raise Unauthorized("Invalid credentials: the account of this access token is gone.")
        self._remember(header, claims["exp"], principal, forgotten)
        return principal

    def _remember(self, header: bytes, expires: float, principal: Principal, forgotten: int) -> None:
        """Keep the result of a check, unless sign-ins have been ended since it began."""
        with self._remembering:
            if forgotten != self._forgotten:
                return
            if len(self._verified) >= _MAX_VERIFIED:
                self._verified.clear()
            self._verified[header] = (expires, principal)
            self._last_expiry = max(self._last_expiry, expires)

    def _forget(self) -> None:
        with self._remembering:
            self._forgotten += 1
            self._verified.clear()
            self._last_expiry = 0.0

    async def follow_changes(self) -> NoReturn:
        """Forget what was verified when another process has changed accounts, sign-ins or keys; for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            # While nobody calls there is nothing to look for.
            if time.time() > self._last_expiry:
                self._verified.clear()
            else:
                await asyncio.to_thread(self._look)

    def _look(self) -> None:
        try:
            serial = self._changes.serial()
        except Exception:
            # Who can't write to the database has ended no sign-in in it.
            if self._looking:
                _log.warning("the database can't be asked for changes to accounts", exc_info=True)
            self._looking = False
            return
        self._looking = True
        if serial != self._seen:
            self._seen = serial
            self._forget()

    # ------------------------------------------------------------------------------------------------- pairs

    def issue(self, principal: Principal) -> AccessTokenResponse:
        """A new sign-in: the first pair of a new family."""
        now = time.time()
        refresh = _Refresh.new(str(uuid.uuid4()))
        family = TokenFamily(
            id=refresh.family,
            account=principal.name,
            access_id=str(uuid.uuid4()),
            refresh_hash=refresh.digest,
            refresh_expires=now + self._settings.refresh_token_seconds,
            expires=now + self._settings.sign_in_seconds,
        )
        self._families.add(family, now)
        return self._pair(principal.name, family.id, family.access_id, refresh, now)

    def renew(self, refresh_token: str) -> AccessTokenResponse:
        """Exchange a refresh token for a new pair; the old pair dies. Raises Unauthorized.

        A refresh token that was used before revokes its whole family: one of its two users has stolen it.
        """
        now = time.time()
        family = self._family_of(refresh_token, now)
        refresh = _Refresh.new(family.id)
        access_id = str(uuid.uuid4())
        expires = min(now + self._settings.refresh_token_seconds, family.expires)
        if not self._families.rotate(family, access_id, refresh.digest, expires):
            self.revoke_family(family.id)
            raise Unauthorized(INVALID_REFRESH)
        self._forget()
        return self._pair(family.account, family.id, access_id, refresh, now)

    def revoke(self, refresh_token: str) -> None:
        """End the sign-in of a valid refresh token: its access token dies too. Raises Unauthorized."""
        self.revoke_family(self._family_of(refresh_token, time.time()).id)

    def revoke_family(self, identity: str) -> None:
        """End one sign-in."""
        self._families.revoke(identity)
        self._forget()

    def _family_of(self, refresh_token: str, now: float) -> TokenFamily:
        refresh = _Refresh.parse(refresh_token)
        family = None if refresh is None else self._families.find(refresh.family)
        if refresh is None or family is None or family.revoked or min(family.refresh_expires, family.expires) < now:
            raise Unauthorized(INVALID_REFRESH)
        if not hmac.compare_digest(family.refresh_hash, refresh.digest):
            self.revoke_family(family.id)
            raise Unauthorized(INVALID_REFRESH)
        return family

    def _pair(self, account: str, family: str, access_id: str, refresh: _Refresh, now: float) -> AccessTokenResponse:
        expires = int(now) + self._settings.access_token_seconds
        claims = {
            "sub": account,
            "unique_name": account,
            "family": family,
            "jti": access_id,
            "iat": int(now),
            "exp": expires,
        }
        return AccessTokenResponse(
            token_type="Bearer",  # noqa: S106 - the name of the scheme
            access_token=self._signer.sign(claims),
            expires_in=self._settings.access_token_seconds,
            expires_on=str(expires),
            refresh_token=refresh.text,
        )


class _Refresh:
    """A refresh token: the id of its family and a secret, of which only the digest is kept."""

    def __init__(self, family: str, secret: str) -> None:
        self.family = family
        self.text = f"{family}.{secret}"
        self.digest = hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def new(cls, family: str) -> _Refresh:
        return cls(family, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> _Refresh | None:
        family, dot, secret = text.partition(".")
        return cls(family, secret) if dot and len(text) < 256 else None
