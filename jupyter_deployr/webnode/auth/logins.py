"""Logging in: tokens for a password, slowly for who guesses, and only a few at a time."""

from __future__ import annotations

import asyncio
import logging

from jupyter_deployr.protocol.errors import Unauthorized, Unavailable
from jupyter_deployr.protocol.models import AccessTokenResponse
from jupyter_deployr.webnode.auth.accounts import LocalAccounts
from jupyter_deployr.webnode.auth.principal import Principal
from jupyter_deployr.webnode.auth.throttle import LoginThrottle
from jupyter_deployr.webnode.auth.tokens import Tokens

_log = logging.getLogger(__name__)

# A password costs 64 MiB and 0.2 s of a processor, which calls of services need too.
_AT_ONCE = 2
_MAX_WAITING = 32


class Logins:
    """Exchanges a password for the first pair of tokens of a new sign-in."""

    def __init__(self, accounts: LocalAccounts, tokens: Tokens) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._throttle = LoginThrottle()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._present = 0

    async def login(self, name: str, password: str, address: str) -> AccessTokenResponse:
        """A pair of tokens for `name`, who calls from `address`.

        Raises Unauthorized, TooManyRequests after wrong passwords, Unavailable when too many log in at once.
        """
        self._throttle.check(name, address)
        if self._present >= _AT_ONCE + _MAX_WAITING:
            raise Unavailable("Too many logins at this moment; try again.")
        self._present += 1
        try:
            async with self._places:
                # Again: those who came earlier may have failed meanwhile.
                self._throttle.check(name, address)
                try:
                    pair = await asyncio.to_thread(self._exchange, name, password)
                except Unauthorized:
                    if self._throttle.failed(name, address):
                        _log.warning("repeated wrong passwords from %s: attempts from there have to wait", address)
                    raise
                self._throttle.succeeded(name, address)
                return pair
        finally:
            self._present -= 1

    def _exchange(self, name: str, password: str) -> AccessTokenResponse:
        account = self._accounts.check(name, password)
        pair = self._tokens.issue(Principal(account.name, account.role))
        if not self._accounts.unchanged(account):
            # Its sign-ins were ended, perhaps before this one was there to be ended with them.
            self._tokens.revoke(str(pair.refresh_token))
            raise Unauthorized("Invalid credentials: the account has been changed at this moment; log in again.")
        return pair
