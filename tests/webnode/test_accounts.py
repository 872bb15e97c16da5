"""Accounts beside the administrator: what can be set, and what a change ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_deployr.protocol.errors import BadRequest, Conflict, NotFound, Unauthorized
from jupyter_deployr.protocol.models import AccessTokenResponse
from jupyter_deployr.webnode.auth import (
    PASSWORD_VARIABLE,
    LocalAccounts,
    Logins,
    Principal,
    SigningKeys,
    Tokens,
    TokenSigner,
    WeakPassword,
)
from jupyter_deployr.webnode.settings import Settings
from jupyter_deployr.webnode.store import AccessChanges, AccountStore, Database, TokenFamilyStore

PASSWORD = "Correct-Horse-7"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    yield database
    database.close()


@pytest.fixture
def accounts(database: Database, tmp_path: Path) -> LocalAccounts:
    accounts = LocalAccounts(AccountStore(database), tmp_path)
    accounts.add("ann", "Contributor", PASSWORD)
    return accounts


@pytest.fixture
def tokens(accounts: LocalAccounts, database: Database, tmp_path: Path) -> Tokens:
    signer = TokenSigner(SigningKeys(tmp_path / "keys", 3600))
    return Tokens(TokenFamilyStore(database), accounts, AccessChanges(database), signer, Settings(tmp_path))


@pytest.mark.parametrize("name", ["b", "bob.smith@example.org", "Ünïcode", "_x", "a-b+c", "7", "x" * 64])
def test_names_that_can_be_used(accounts: LocalAccounts, name: str) -> None:
    accounts.add(name, "Reader", PASSWORD)
    assert accounts.check(name, PASSWORD).name == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a/b", "../a", "a\\b", ".a", "-a", "a\n", "a\0", "<b>", "a'b", 'a"b', "x" * 65, "ﬁ", "💥", "a:b"],
)
def test_names_that_cannot_be_used(accounts: LocalAccounts, name: str) -> None:
    with pytest.raises(BadRequest, match="can't be the name"):
        accounts.add(name, "Reader", PASSWORD)
    assert [principal.name for principal in accounts.all()] == ["ann"]


@pytest.mark.parametrize("name", ["ann", "Ann", "ANN"])
def test_names_are_told_apart_at_sight(accounts: LocalAccounts, name: str) -> None:
    with pytest.raises(Conflict, match="account 'ann' already"):
        accounts.add(name, "Reader", PASSWORD)


@pytest.mark.parametrize(
    ("password", "reason"),
    [("", "fewer than 8"), ("7 chars", "fewer than 8"), ("x" * 1025, "more than 1,024"), ("Bob-Smith", "name of the")],
)
def test_passwords_that_cannot_be_set(accounts: LocalAccounts, password: str, reason: str) -> None:
    with pytest.raises(WeakPassword, match=reason):
        accounts.add("bob-smith", "Reader", password)
    if reason != "name of the":
        with pytest.raises(WeakPassword, match=reason):
            accounts.change_password("ann", password)
    assert accounts.check("ann", PASSWORD)


@pytest.mark.parametrize("password", ["8 charsé", "x" * 1024, "пароль-пароль", "        "])
def test_passwords_that_can_be_set(accounts: LocalAccounts, password: str) -> None:
    accounts.change_password("ann", password)
    assert accounts.check("ann", password)
    with pytest.raises(Unauthorized):
        accounts.check("ann", password[:-1])


@pytest.mark.parametrize("role", ["", "owner", "Admin", "None"])
def test_roles_that_are_none(accounts: LocalAccounts, role: str) -> None:
    with pytest.raises(BadRequest, match="Owner, Contributor, Reader"):
        accounts.add("bob", role, PASSWORD)
    with pytest.raises(BadRequest, match="Owner, Contributor, Reader"):
        accounts.change_role("ann", role)


@pytest.mark.parametrize(
    ("method", "arguments"), [("change_password", (PASSWORD,)), ("change_role", ("Owner",)), ("remove", ())]
)
def test_accounts_that_are_not_there(accounts: LocalAccounts, method: str, arguments: Any) -> None:
    with pytest.raises(NotFound, match="no account 'nobody'"):
        getattr(accounts, method)("nobody", *arguments)


CHANGES: dict[str, Any] = {
    "password": lambda accounts: accounts.change_password("ann", "Another-Horse-8"),
    "role": lambda accounts: accounts.change_role("ann", "Reader"),
    "removal": lambda accounts: accounts.remove("ann"),
    "removal and return": lambda accounts: (accounts.remove("ann"), accounts.add("ann", "Contributor", PASSWORD)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_ends_the_sign_ins_of_that_account(accounts: LocalAccounts, tokens: Tokens, change: str) -> None:
    accounts.add("bob", "Reader", PASSWORD)
    pair = tokens.issue(Principal("ann", "Contributor"))
    others = tokens.issue(Principal("bob", "Reader"))
    CHANGES[change](accounts)
    with pytest.raises(Unauthorized):
        tokens.verify(f"Bearer {pair.access_token}".encode())
    with pytest.raises(Unauthorized):
        tokens.renew(str(pair.refresh_token))
    assert tokens.verify(f"Bearer {others.access_token}".encode()) == Principal("bob", "Reader")


def test_the_same_role_again_ends_nothing(accounts: LocalAccounts, tokens: Tokens) -> None:
    pair = tokens.issue(Principal("ann", "Contributor"))
    accounts.change_role("ann", "Contributor")
    assert tokens.verify(f"Bearer {pair.access_token}".encode())


@pytest.mark.parametrize("change", CHANGES)
def test_a_login_that_a_change_overtakes_is_refused(
    accounts: LocalAccounts, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    issue = Tokens.issue
    issued: list[str] = []

    def overtaken(tokens: Tokens, principal: Principal) -> Any:
        CHANGES[change](accounts)
        pair = issue(tokens, principal)
        issued.append(str(pair.refresh_token))
        return pair

    monkeypatch.setattr(Tokens, "issue", overtaken)
    with pytest.raises(Unauthorized, match="log in again"):
        asyncio.run(Logins(accounts, tokens).login("ann", PASSWORD, "127.0.0.1"))
    with pytest.raises(Unauthorized):
        tokens.renew(issued[0])


# --------------------------------------------------------------------------------------------------- administrator


@pytest.fixture
def start(accounts: LocalAccounts, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """What a start of the server does with a password in the environment, "" for none."""

    def prepare(password: str) -> bool:
        monkeypatch.setenv(PASSWORD_VARIABLE, password)
        chosen = accounts.prepare_admin()
        assert PASSWORD_VARIABLE not in os.environ
        return chosen

    return prepare


def _is_signed_in(tokens: Tokens, pair: AccessTokenResponse) -> bool:
    try:
        tokens.verify(f"Bearer {pair.access_token}".encode())
    except Unauthorized:
        return False
    return True


def test_the_administrator_stays(accounts: LocalAccounts, start: Callable[[str], bool]) -> None:
    start(PASSWORD)
    with pytest.raises(BadRequest, match="can't be removed"):
        accounts.remove("admin")
    for role in ("Contributor", "Reader"):
        with pytest.raises(BadRequest, match="Owner always"):
            accounts.change_role("admin", role)
    assert accounts.principal("admin") == Principal("admin", "Owner")


def test_the_environment_ends_sign_ins_only_with_another_password(start: Callable[[str], bool], tokens: Tokens) -> None:
    assert start(PASSWORD)
    pair = tokens.issue(Principal("admin", "Owner"))
    assert start(PASSWORD)
    assert start("")
    assert _is_signed_in(tokens, pair)
    assert start("Another-Horse-8")
    assert not _is_signed_in(tokens, pair)


def test_a_chosen_password_takes_the_generated_ones_place(
    accounts: LocalAccounts, start: Callable[[str], bool], tokens: Tokens, tmp_path: Path
) -> None:
    assert not start("")
    generated = (tmp_path / "admin-password").read_text()
    assert not start("")
    assert (tmp_path / "admin-password").read_text() == generated
    pair = tokens.issue(Principal("admin", "Owner"))
    accounts.change_password("admin", PASSWORD)
    assert not (tmp_path / "admin-password").exists()
    assert not _is_signed_in(tokens, pair)
    assert start("")
    assert accounts.check("admin", PASSWORD)


def test_a_weak_password_in_the_environment_is_refused(start: Callable[[str], bool], accounts: LocalAccounts) -> None:
    for password in ("short", "x" * 1025):
        with pytest.raises(WeakPassword, match=PASSWORD_VARIABLE):
            start(password)
    assert accounts.principal("admin") is None
