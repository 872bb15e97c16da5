"""The token pair of a signed-in client, renewed before it expires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jupyter_deployr.protocol.errors import DeployRError, Unauthorized
from jupyter_deployr.protocol.models import AccessTokenResponse

_MARGIN = 60.0
_EXPIRED = "The sign-in has expired. Log in again."
_REFUSED = "The server refuses the token: it is not valid there, or not any more. Get a new one, or log in."


class TokenKeeper:
    """Holds one pair in memory. A refresh token works once, so that only one thread at a time may spend it."""

    def __init__(self, renew: Callable[[str], AccessTokenResponse]) -> None:
        """`renew` turns a refresh token into a new pair."""
        self._renew = renew
        self._lock = threading.Lock()
        self._pair: AccessTokenResponse | None = None
        self._renew_at = float("inf")

    @property
    def signed_in(self) -> bool:
        """Whether there is a pair."""
        return self._pair is not None

    def keep(self, pair: AccessTokenResponse) -> None:
        """Use `pair` from now on."""
        with self._lock:
            self._take(pair)

    def replace(self, refresh_token: str | None, pair: AccessTokenResponse | None) -> None:
        """Someone else spent `refresh_token` for `pair`, or revoked it (None). A pair it doesn't belong to stays."""
        with self._lock:
            if self._pair is not None and self._pair.refresh_token == refresh_token:
                self._take(pair)

    def access_token(self) -> str | None:
        """A token that is good for a while, or None when nobody is signed in."""
        with self._lock:
            if time.monotonic() >= self._renew_at:
                try:
                    self._spend()
                except DeployRError:
                    # The old token may still be good; if not, the server's 401 leads to `access_token_after`.
                    self._renew_at = float("inf")
            return self._pair.access_token if self._pair else None

    def access_token_after(self, refused: str) -> str | None:
        """The token to use now that the server has refused `refused`. Raises Unauthorized when there can't be one."""
        with self._lock:
            if self._pair is None:
                return None
            if self._pair.access_token == refused:
                alone = not self._pair.refresh_token
                try:
                    self._spend()
                except Unauthorized:
                    self._take(None)
                    raise Unauthorized(_REFUSED if alone else _EXPIRED) from None
            return self._pair.access_token if self._pair else None

    def __repr__(self) -> str:
        return f"<TokenKeeper: {'signed in' if self._pair else 'signed out'}>"

    def _spend(self) -> None:
        if self._pair is None or not self._pair.refresh_token:
            raise Unauthorized("There is no refresh token.")
        self._take(self._renew(self._pair.refresh_token))

    def _take(self, pair: AccessTokenResponse | None) -> None:
        self._pair = pair
        life = pair.expires_in if pair is not None else None
        self._renew_at = float("inf") if life is None else time.monotonic() + life - min(_MARGIN, life / 10)
