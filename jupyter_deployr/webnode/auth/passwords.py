"""Passwords: which ones can be set, and their hashes."""

from __future__ import annotations

import secrets

import argon2

MIN_CHARACTERS = 8
MAX_CHARACTERS = 1024


class WeakPassword(Exception):
    """Why a password can't be set."""


def check_password(name: str, password: str) -> None:
    """Raises WeakPassword when `password` can't be that of the account `name`.

    Length is all that is asked for, and that it isn't the name: rules on kinds of characters make passwords no harder
    to guess.
    """
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(f"the password has fewer than {MIN_CHARACTERS} characters")
    if len(password) > MAX_CHARACTERS:
        raise WeakPassword(f"the password has more than {MAX_CHARACTERS:,} characters")
    if password.casefold() == name.casefold():
        raise WeakPassword("the password is the name of the account")


class PasswordHashes:
    """Makes and compares hashes. Each takes 64 MiB and some 0.2 s of a processor; call them in a thread."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """The hash to keep."""
        return self._hasher.hash(password)

    def match(self, kept: str | None, password: str) -> bool:
        """Whether `kept` is a hash of `password`. Takes its time without a hash too, so that nobody learns of it."""
        if len(password) > MAX_CHARACTERS:
            return False
        try:
            self._hasher.verify(self._nobody if kept is None else kept, password)
        except argon2.exceptions.VerifyMismatchError:
            return False
        return kept is not None
