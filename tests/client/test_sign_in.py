"""Tokens and status, against a running server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jupyter_deployr.client import (
    BadRequest,
    DeployRClient,
    Unauthorized,
    models,
)


def test_login_answers_with_a_pair(server: Any) -> None:
    with DeployRClient(server.url) as client:
        pair = client.login(models.LoginRequest("admin", server.password))
    assert pair.token_type == "Bearer"
    assert pair.access_token
    assert pair.refresh_token
    assert pair.expires_on is not None
    assert abs(int(pair.expires_on) - time.time() - (pair.expires_in or 0)) < 60


@pytest.mark.parametrize(("user", "password"), [("admin", "wrong"), ("nobody", "wrong"), ("admin", ""), (None, None)])
def test_a_wrong_password_is_refused(server: Any, user: str | None, password: str | None) -> None:
    with DeployRClient(server.url) as client:
        with pytest.raises((Unauthorized, BadRequest)):
            client.login(models.LoginRequest(user, password))
        assert not client.signed_in


def test_a_token_is_needed(server: Any) -> None:
    with DeployRClient(server.url) as client:
        with pytest.raises(Unauthorized):
            client.list_sessions()
        with pytest.raises(Unauthorized):
            client.list_sessions({"Authorization": "Bearer forged.token.here"})


def test_a_renewed_pair_replaces_the_old_one(server: Any) -> None:
    with DeployRClient(server.url) as client:
        old = client.login(models.LoginRequest("admin", server.password))
        new = client.renew_token(models.RenewTokenRequest(old.refresh_token))
        assert new.refresh_token != old.refresh_token
        assert client.status().status_code == "pass"
        with pytest.raises(Unauthorized):
            client.status({"Authorization": f"Bearer {old.access_token}"})


def test_the_client_renews_a_token_that_the_server_no_longer_takes(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DeployRClient(server.url) as client:
        pair = client.login(models.LoginRequest("admin", server.password))
        ahead = time.monotonic() + 3600
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: ahead)
            assert client.status().status_code == "pass"
        with pytest.raises(Unauthorized):
            client.status({"Authorization": f"Bearer {pair.access_token}"})


def test_a_revoked_pair_is_of_no_use(server: Any) -> None:
    with DeployRClient(server.url) as client:
        pair = client.login(models.LoginRequest("admin", server.password))
        assert pair.refresh_token
        client.revoke_refresh_token(pair.refresh_token)
        assert not client.signed_in
        with pytest.raises(Unauthorized):
            client.status({"Authorization": f"Bearer {pair.access_token}"})
        with pytest.raises(Unauthorized):
            client.renew_token(models.RenewTokenRequest(pair.refresh_token))


def test_status(client: DeployRClient) -> None:
    assert client.status().status_code == "pass"
