"""Login, and what a token is worth."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jupyter_deployr.protocol.errors import Unauthorized
from jupyter_deployr.webnode.auth import LocalAccounts, Principal, Tokens, TokenSigner
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.store import Account, AccountStore, Database, TokenFamilyStore
from tests.api import ERROR_MEMBERS, Api
from tests.server_process import ServerProcess

ROUTES = [
    ("GET", "/status"),
    ("GET", "/sessions"),
    ("POST", "/sessions"),
    ("POST", "/sessions/x/execute"),
    ("POST", "/sessions/x/cancel"),
    ("DELETE", "/sessions/x"),
    ("DELETE", "/sessions/x/force"),
    ("POST", "/sessions/x/snapshot"),
    ("POST", "/sessions/x/loadsnapshot/y"),
    ("GET", "/snapshots"),
    ("DELETE", "/snapshots/x"),
    ("GET", "/services"),
    ("GET", "/services/x"),
    ("POST", "/services/x"),
    ("GET", "/services/x/y"),
    ("POST", "/services/x/y"),
    ("PATCH", "/services/x/y"),
    ("DELETE", "/services/x/y"),
    ("GET", "/api/x/y/swagger.json"),
    ("POST", "/api/x/y"),
]


def test_login_answers_with_a_pair_of_tokens(server: ServerProcess) -> None:
    before = time.time()
    response = requests.post(f"{server.url}/login", json={"username": "admin", "password": server.password}, timeout=60)
    assert response.status_code == 200
    assert ": " not in response.text
    body = response.json()
    assert list(body) == ["token_type", "access_token", "expires_in", "expires_on", "refresh_token"]
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert before + 3590 < int(body["expires_on"]) < time.time() + 3610
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        ({"username": "admin", "password": "wrong"}, 401),
        ({"username": "nobody", "password": "wrong"}, 401),
        ({"username": "admin", "password": ""}, 400),
        ({"username": "admin"}, 400),
        ({"username": "admin", "password": 7}, 400),
        ([], 400),
        ({"username": "admin", "password": "\ud800"}, 400),
        ({"username": "\ud800", "password": "x"}, 400),
    ],
)
def test_login_refuses(api: Api, credentials: object, status: int) -> None:
    api.error("POST", "/login", status, json=credentials)


def test_a_wrong_name_and_a_wrong_password_look_the_same(api: Api) -> None:
    answers = [
        api.error("POST", "/login", 401, json={"username": name, "password": "wrong"}) for name in ("admin", "nobody")
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_token(server: ServerProcess, method: str, path: str) -> None:
    response = requests.request(method, server.url + path, json={}, timeout=60)
    assert response.status_code == 401
    assert response.json().keys() == ERROR_MEMBERS
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-request-id"]


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _forged(token: str) -> dict[str, str]:
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    key_id = jwt.get_unverified_header(token)["kid"]
    stranger = ec.generate_private_key(ec.SECP256R1())
    secret = stranger.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mac = jwt.PyJWT().encode(claims, base64.b64encode(secret).decode(), algorithm="HS256", headers={"kid": key_id})
    return {
        "no algorithm": f"{_encoded({'alg': 'none', 'typ': 'JWT', 'kid': key_id})}.{payload}.",
        "another algorithm": mac,
        "another key": jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": key_id}),
        "unknown key id": jwt.encode(claims, stranger, algorithm="ES256", headers={"kid": "other"}),
        "a key by address": jwt.encode(claims, stranger, algorithm="ES256", headers={"jku": "http://127.0.0.1:9/"}),
        "changed claims": f"{header}.{_encoded({**claims, 'sub': 'root'})}.{signature}",
        "no signature": f"{header}.{payload}",
        "too long": token + "x" * 100_000,
        "empty": "",
        "garbage": "a.b.c",
        "not ascii": "jeton-é",
    }


def test_forged_tokens_are_refused(server: ServerProcess, api: Api) -> None:
    for path in ("/services/x", "/api/x/y"):
        for what, token in _forged(api.tokens["access_token"]).items():
            response = requests.post(
                server.url + path, headers={"Authorization": f"Bearer {token}".encode()}, json={}, timeout=60
            )
            assert response.status_code in (400, 401), what
            assert token == "" or token not in response.text, what


@pytest.mark.parametrize("header", ["Basic YWRtaW46eA==", "Bearer", "bearer ", "{token}", "Token {token}"])
def test_a_header_of_another_kind_is_refused(server: ServerProcess, api: Api, header: str) -> None:
    value = header.format(token=api.tokens["access_token"])
    response = requests.get(f"{server.url}/services", headers={"Authorization": value}, timeout=60)
    assert response.status_code == 401


def test_a_refresh_token_is_no_access_token_and_the_reverse(server: ServerProcess) -> None:
    api = Api(server)
    access, refresh = api.tokens["access_token"], api.tokens["refresh_token"]
    api.error("GET", "/services", 401, headers={"Authorization": f"Bearer {refresh}"})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": access})


def test_renewal_replaces_the_pair(server: ServerProcess) -> None:
    api = Api(server)
    api.ok("GET", "/services")
    renewed = api.ok("POST", "/login/refreshToken", json={"refreshToken": api.tokens["refresh_token"]})
    api.error("GET", "/services", 401)
    api.ok("GET", "/services", headers={"Authorization": f"Bearer {renewed['access_token']}"})


def test_a_used_refresh_token_ends_the_sign_in(server: ServerProcess) -> None:
    api = Api(server)
    renewed = api.ok("POST", "/login/refreshToken", json={"refreshToken": api.tokens["refresh_token"]})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": api.tokens["refresh_token"]})
    api.error("GET", "/services", 401, headers={"Authorization": f"Bearer {renewed['access_token']}"})
    api.error("POST", "/login/refreshToken", 401, json={"refreshToken": renewed["refresh_token"]})


def test_revocation_is_effective_at_once(server: ServerProcess) -> None:
    api = Api(server)
    api.ok("GET", "/services")
    api.ok("DELETE", "/login/refreshToken", params={"refreshToken": api.tokens["refresh_token"]})
    api.error("GET", "/services", 401)
    api.error("DELETE", "/login/refreshToken", 401, params={"refreshToken": api.tokens["refresh_token"]})


@pytest.fixture
def tokens(tmp_path: object) -> Tokens:
    from pathlib import Path

    directory = Path(str(tmp_path))
    database = Database(f"sqlite:///{directory / 'x.sqlite3'}")
    AccountStore(database).put(Account("ann", "", "Reader", generated=False))
    accounts = LocalAccounts(AccountStore(database))
    settings = Settings(directory, access_token_seconds=100, refresh_token_seconds=1000, sign_in_seconds=2000)
    return Tokens(TokenFamilyStore(database), accounts, TokenSigner(directory / "key.pem"), settings)


def _at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from datetime import UTC, datetime

    now = time.time() + seconds

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(now, UTC)

    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr("jwt.api_jwt.datetime", Later)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-86400, "clocks"), (-80, None), (0, None), (150, None), (300, "expired")]
)
def test_the_clock_decides(tokens: Tokens, monkeypatch: pytest.MonkeyPatch, seconds: float, text: str | None) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    _at(monkeypatch, seconds)
    if text is None:
        assert tokens.verify(header) == Principal("ann", "Reader")
    else:
        with pytest.raises(Unauthorized, match=text):
            tokens.verify(header)


def test_a_checked_token_is_not_checked_again_until_it_expires(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    header = f"Bearer {tokens.issue(Principal('ann', 'Reader')).access_token}".encode()
    assert tokens.verified(header) is None
    principal = tokens.verify(header)
    assert tokens.verified(header) is principal
    _at(monkeypatch, 101)
    assert tokens.verified(header) is None


def test_a_refresh_token_expires_and_so_does_the_chain(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tokens.issue(Principal("ann", "Reader"))
    _at(monkeypatch, 900)
    pair = tokens.renew(str(pair.refresh_token))
    _at(monkeypatch, 900)
    pair = tokens.renew(str(pair.refresh_token))
    _at(monkeypatch, 201)
    with pytest.raises(Unauthorized):
        tokens.renew(str(pair.refresh_token))


def test_no_token_in_a_repr(tokens: Tokens) -> None:
    pair = tokens.issue(Principal("ann", "Reader"))
    assert str(pair.access_token) not in repr(pair)
    assert str(pair.refresh_token) not in repr(pair)
