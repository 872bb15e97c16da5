"""The kept token pair: renewed in time, spent once, never shown."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jupyter_deployr.client import DeployRClient, Unauthorized, models


class TokenServer:
    """Accepts the newest access token only; each refresh token works once."""

    def __init__(self, stub: Any, *, life: int = 3600) -> None:
        self.life = life
        self.renewals = 0
        self.valid = "none"
        self.refresh = "none"
        self.gate: threading.Barrier | None = None
        stub.respond = self.respond

    def respond(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/login":
            return self._new_pair()
        if request.path == "/login/refreshToken":
            if json.loads(request.body)["refreshToken"] != self.refresh:
                return self._refusal()
            self.renewals += 1
            return self._new_pair()
        if self.gate is not None:
            self.gate.wait(30)
        if request.headers.get("Authorization") != f"Bearer {self.valid}":
            return self._refusal()
        return 200, {}, b'{"statusCode": "pass"}'

    def _new_pair(self) -> tuple[int, dict[str, str], bytes]:
        self.valid, self.refresh = f"secret-access-{self.renewals}", f"secret-refresh-{self.renewals}"
        pair = {
            "token_type": "Bearer",
            "access_token": self.valid,
            "expires_in": self.life,
            "expires_on": 1479664807,
            "refresh_token": self.refresh,
        }
        return 200, {}, json.dumps(pair).encode()

    def _refusal(self) -> tuple[int, dict[str, str], bytes]:
        return 401, {}, b'{"message": "invalid credentials", "exceptionType": "Unauthorized"}'


def signed_in(stub: Any) -> DeployRClient:
    client = DeployRClient(stub.url)
    client.login(models.LoginRequest("admin", "secret-password"))
    return client


def test_the_token_is_sent_without_being_asked_for(stub: Any) -> None:
    TokenServer(stub)
    with signed_in(stub) as client:
        assert client.status().status_code == "pass"
    assert stub.requests[-1].headers["Authorization"] == "Bearer secret-access-0"


def test_a_token_about_to_expire_is_renewed_first(stub: Any) -> None:
    tokens = TokenServer(stub, life=0)
    with signed_in(stub) as client:
        tokens.life = 3600
        client.status()
        client.status()
    assert [request.path for request in stub.requests] == ["/login", "/login/refreshToken", "/status", "/status"]


def test_a_refused_token_is_renewed_once(stub: Any) -> None:
    tokens = TokenServer(stub)
    with signed_in(stub) as client:
        tokens.valid = "ended by the server"
        assert client.status().status_code == "pass"
    assert [request.path for request in stub.requests] == ["/login", "/status", "/login/refreshToken", "/status"]


def test_threads_spend_a_refresh_token_once(stub: Any) -> None:
    tokens = TokenServer(stub)
    with signed_in(stub) as client, ThreadPoolExecutor(8) as threads:
        tokens.valid = "ended by the server"
        tokens.gate = threading.Barrier(8)
        answers = list(threads.map(lambda _: client.status(), range(8)))
    assert [answer.status_code for answer in answers] == ["pass"] * 8
    assert tokens.renewals == 1


def test_when_nothing_helps_one_is_told_to_log_in(stub: Any) -> None:
    tokens = TokenServer(stub)
    with signed_in(stub) as client:
        tokens.valid = tokens.refresh = "ended by the server"
        with pytest.raises(Unauthorized, match="Log in again"):
            client.status()
        assert not client.signed_in


def test_headers_of_the_caller_count_instead(stub: Any) -> None:
    TokenServer(stub)
    with signed_in(stub) as client:
        with pytest.raises(Unauthorized, match="invalid credentials"):
            client.status({"authorization": "Bearer other"})
        client.status({"X-Trace": "1"})
    assert stub.requests[1].headers["authorization"] == "Bearer other"
    assert stub.requests[2].headers["Authorization"] == "Bearer secret-access-0"
    assert stub.requests[2].headers["X-Trace"] == "1"
    assert len(stub.requests) == 3


def test_a_pair_renewed_or_revoked_by_hand_is_kept_up_with(stub: Any) -> None:
    tokens = TokenServer(stub)
    with signed_in(stub) as client:
        renewed = client.renew_token(models.RenewTokenRequest("secret-refresh-0"))
        assert renewed.access_token == "secret-access-1"
        assert renewed.expires_on == "1479664807"
        assert client.status().status_code == "pass"
        stub.always(200, b"")
        client.revoke_refresh_token("of someone else")
        assert client.signed_in
        client.revoke_refresh_token(tokens.refresh)
        assert not client.signed_in
    assert stub.requests[-1].path == "/login/refreshToken?refreshToken=secret-refresh-1"


def test_secrets_are_in_no_text_copy_or_error(stub: Any) -> None:
    tokens = TokenServer(stub)
    with signed_in(stub) as client:
        texts = [repr(client), str(vars(client)), pickle.dumps(client).decode("latin-1")]
        texts += [repr(models.LoginRequest("admin", "secret-password")), repr(models.RenewTokenRequest("secret"))]
        texts += [repr(models.AccessTokenResponse("Bearer", access_token="secret", refresh_token="secret"))]
        for twin in (pickle.loads(pickle.dumps(client)), copy.copy(client)):
            assert twin.base_url == client.base_url
            assert not twin.signed_in
        tokens.valid = tokens.refresh = "ended"
        with pytest.raises(Unauthorized) as raised:
            client.status()
        texts += list(chain_of(raised.value))
        stub.always(200, {"access_token": ["secret"], "expires_in": "secret"})
        with pytest.raises(Exception, match="access_token") as raised:
            client.login(models.LoginRequest("admin", "secret-password"))
        texts += list(chain_of(raised.value))
    with pytest.raises(Exception, match="No server answers") as raised:
        DeployRClient("http://127.0.0.1:1").revoke_refresh_token("secret")
    texts += list(chain_of(raised.value))
    assert [text for text in texts if "secret" in text] == []


def chain_of(error: BaseException | None) -> Any:
    while error is not None:
        yield f"{error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
