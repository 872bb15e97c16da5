"""Authentication APIs: tokens in exchange for a password or a refresh token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Query, Request

from jupyter_deployr.protocol.errors import BadRequest
from jupyter_deployr.protocol.models import AccessTokenResponse, LoginRequest, RenewTokenRequest
from jupyter_deployr.webnode.answers import failing
from jupyter_deployr.webnode.context import Node
from jupyter_deployr.webnode.json_bodies import JsonRoute

router = APIRouter(route_class=JsonRoute, tags=["Authentication APIs"])


@router.post("/login", operation_id="login", responses=failing(401, 429))
async def login(login_request: LoginRequest, request: Request, node: Node) -> AccessTokenResponse:
    """Sign in with a user name and password."""
    if not login_request.username or not login_request.password:
        missing = [name for name in ("username", "password") if not getattr(login_request, name)]
        raise BadRequest(f"The login request has no {' and no '.join(missing)}.", fields=missing)
    address = request.client.host if request.client is not None else ""
    return await node.logins.login(login_request.username, login_request.password, address)


@router.post("/login/refreshToken", operation_id="renewToken", responses=failing(401))
async def renew_token(renew_token_request: RenewTokenRequest, node: Node) -> AccessTokenResponse:
    """Exchange a refresh token for a new pair of tokens."""
    return await asyncio.to_thread(node.tokens.renew, renew_token_request.refresh_token or "")


@router.delete("/login/refreshToken", operation_id="revokeRefreshToken", responses=failing(401))
async def revoke_refresh_token(node: Node, refresh_token: str = Query(alias="refreshToken")) -> AccessTokenResponse:
    """Revoke a refresh token and the access token issued with it."""
    await asyncio.to_thread(node.tokens.revoke, refresh_token)
    return AccessTokenResponse()


@router.delete("/login/refreshToken/{refreshToken:path}", include_in_schema=False)
async def revoke_refresh_token_in_path(refreshToken: str, node: Node) -> AccessTokenResponse:  # noqa: N803
    """The same as it was in version 9.0 of the API, whose service documents still lead clients here."""
    return await revoke_refresh_token(node, refreshToken)
