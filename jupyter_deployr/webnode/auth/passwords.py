"""Passwords: hashing, checking, and where the administrator's comes from."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import argon2

from jupyter_deployr.protocol.errors import Unauthorized
from jupyter_deployr.protocol.places import ADMIN, password_file, write_private
from jupyter_deployr.webnode.auth.principal import OWNER, Principal
from jupyter_deployr.webnode.store import Account, AccountStore

PASSWORD_VARIABLE = "DEPLOYR_ADMIN_PASSWORD"  # noqa: S105 - a name, not a password
MIN_CHARACTERS = 8


class WeakPassword(Exception):
    """A password that is too short to be set."""


class LocalAccounts:
    """Signs in the accounts that this server keeps itself. Methods block; call them in a thread."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store
        self._hasher = argon2.PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def sign_in(self, username: str, password: str) -> Principal:
        """The account's principal. Raises Unauthorized, in the same words and time for a wrong name and password."""
        account = self._store.find(username)
        try:
            self._hasher.verify(self._nobody if account is None else account.password_hash, password)
        except argon2.exceptions.VerifyMismatchError:
            account = None
        if account is None:
            raise Unauthorized("Invalid credentials: the user name or the password is wrong.")
        return Principal(account.name, account.role)

    def principal(self, name: str) -> Principal | None:
        """The account of that name as it is now, or None when it is gone."""
        account = self._store.find(name)
        return None if account is None else Principal(account.name, account.role)

    def prepare_admin(self, data_dir: Path) -> bool:
        """Make sure that the administrator has a password; returns whether a person has chosen it.

        A password in `DEPLOYR_ADMIN_PASSWORD` is set, and taken out of the environment. Without one, and none set
        earlier, one is generated into a file that only its owner can read. Raises WeakPassword.
        """
        chosen = os.environ.pop(PASSWORD_VARIABLE, None)
        generated_file = password_file(data_dir)
        if chosen:
            if len(chosen) < MIN_CHARACTERS:
                raise WeakPassword(f"{PASSWORD_VARIABLE} has fewer than {MIN_CHARACTERS} characters")
            self._store.put(Account(ADMIN, self._hasher.hash(chosen), OWNER, generated=False))
            generated_file.unlink(missing_ok=True)
            return True
        account = self._store.find(ADMIN)
        if account is not None and not account.generated:
            return True
        if account is None or not generated_file.exists():
            password = secrets.token_urlsafe(24)
            write_private(generated_file, password)
            self._store.put(Account(ADMIN, self._hasher.hash(password), OWNER, generated=True))
        return False
