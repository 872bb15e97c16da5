"""Authentication APIs: tokens in exchange for a password or a refresh token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Query

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import AccessTokenResponse, LoginRequest, RenewTokenRequest
from jupyter_deployr.webnode.context import Node

router = APIRouter(tags=["Authentication APIs"])


@router.post("/login", operation_id="login")
async def login(login_request: LoginRequest, node: Node) -> AccessTokenResponse:
    """Sign in with a user name and password."""
    if not login_request.username or not login_request.password:
        missing = [name for name in ("username", "password") if not getattr(login_request, name)]
        raise BadRequest(f"The login request has no {' and no '.join(missing)}.", fields=missing)
    principal = await asyncio.to_thread(node.accounts.sign_in, login_request.username, login_request.password)
    return await asyncio.to_thread(node.tokens.issue, principal)


@router.post("/login/refreshToken", operation_id="renewToken")
async def renew_token(renew_token_request: RenewTokenRequest, node: Node) -> AccessTokenResponse:
    """Exchange a refresh token for a new pair of tokens."""
    return await asyncio.to_thread(node.tokens.renew, renew_token_request.refresh_token or "")


@router.delete("/login/refreshToken", operation_id="revokeRefreshToken")
async def revoke_refresh_token(node: Node, refresh_token: str = Query(alias="refreshToken")) -> AccessTokenResponse:
    """Revoke a refresh token and the access token issued with it."""
    await asyncio.to_thread(node.tokens.revoke, refresh_token)
    return AccessTokenResponse()
