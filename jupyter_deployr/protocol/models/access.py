"""Signing in: passwords and tokens."""

from __future__ import annotations

from dataclasses import field

from pydantic.dataclasses import dataclass

from jupyter_deployr.protocol.models.wire import CAMEL, SNAKE


@dataclass(config=CAMEL)
class LoginRequest:
    """`login`: the account's name and password."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(config=SNAKE)
class AccessTokenResponse:
    """Answer of `login` and `renewToken`. `expires_on` is epoch seconds as text, `expires_in` seconds from now."""

    token_type: str | None = None
    access_token: str | None = field(default=None, repr=False)
    expires_in: int | None = field(default=None, kw_only=True)  # travels, but is not in the published description
    expires_on: str | None = None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(config=CAMEL)
class RenewTokenRequest:
    """`renewToken`: a refresh token that has not been used yet."""

    refresh_token: str | None = field(default=None, repr=False)
