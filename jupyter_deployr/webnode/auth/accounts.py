"""The accounts that this server keeps itself."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from dataclasses import replace
from pathlib import Path

from jupyter_deployr.protocol.errors import BadRequest, Conflict, NotFound, Unauthorized
from jupyter_deployr.protocol.places import ADMIN, password_file, write_private
from jupyter_deployr.webnode.auth.passwords import PasswordHashes, WeakPassword, check_password
from jupyter_deployr.webnode.auth.principal import OWNER, ROLES, Principal
from jupyter_deployr.webnode.store import Account, AccountStore

PASSWORD_VARIABLE = "DEPLOYR_ADMIN_PASSWORD"  # noqa: S105 - a name, not a password

_NAME = re.compile(r"\w[\w.@+-]{0,63}")


class LocalAccounts:
    """Checks, lists and changes accounts; `data_dir` holds the generated password.

    Whatever changes an account ends its sign-ins. Methods block; call them in a thread.
    """

    def __init__(self, store: AccountStore, data_dir: Path) -> None:
        self._store = store
        self._generated_file = password_file(data_dir)
        self._hashes = PasswordHashes()

    # ---------------------------------------------------------------------------------------------- look-up

    def check(self, name: str, password: str) -> Account:
        """The account. Raises Unauthorized, in the same words and time for a wrong name and a wrong password."""
        account = self._store.find(name) if "\0" not in name else None
        matches = self._hashes.match(None if account is None else account.password_hash, password)
        if account is None or not matches:
            raise Unauthorized("Invalid credentials: the user name or the password is wrong.")
        return account

    def unchanged(self, account: Account) -> bool:
        """Whether the account is still as it was when it was read."""
        return self._store.find(account.name) == account

    def principal(self, name: str) -> Principal | None:
        """The account of that name as it is now, or None when it is gone."""
        account = self._store.find(name)
        return None if account is None else Principal(account.name, account.role)

    def all(self) -> list[Principal]:
        """Every account, by name."""
        return [Principal(account.name, account.role) for account in self._store.all()]

    # --------------------------------------------------------------------------------------------- changing

    def check_new(self, name: str) -> None:
        """Whether an account of that name can be added. Raises BadRequest, Conflict."""
        if not _NAME.fullmatch(name) or unicodedata.normalize("NFKC", name) != name:
            raise BadRequest(
                f"{name[:64]!r} can't be the name of an account: up to 64 letters, digits and any of . _ @ + - are "
                "allowed, beginning with a letter or digit."
            )
        for known in self._store.all():
            if known.name.casefold() == name.casefold():
                raise Conflict(f"There is an account {known.name!r} already.")

    def add(self, name: str, role: str, password: str) -> None:
        """Create an account. Raises BadRequest, Conflict, WeakPassword."""
        self.check_new(name)
        _check_role(role)
        check_password(name, password)
        self._store.add(Account(name, self._hashes.hash(password), role, generated=False))

    def change_password(self, name: str, password: str) -> None:
        """Set another password; the administrator's takes the generated one's place. Raises NotFound, WeakPassword."""
        account = self.get(name)
        check_password(name, password)
        self._store.put(replace(account, password_hash=self._hashes.hash(password), generated=False))
        if name == ADMIN:
            self._generated_file.unlink(missing_ok=True)

    def change_role(self, name: str, role: str) -> None:
        """Give an account another role. Raises NotFound, BadRequest."""
        account = self.get(name)
        _check_role(role)
        if name == ADMIN and role != OWNER:
            raise BadRequest(f"{ADMIN!r} is an {OWNER} always.")
        if account.role != role:
            self._store.put(replace(account, role=role))

    def remove(self, name: str) -> None:
        """Forget an account; what it has published stays. Raises NotFound, BadRequest."""
        if name == ADMIN:
            raise BadRequest(f"{ADMIN!r} can't be removed: somebody must be able to manage the server.")
        if not self._store.remove(name):
            raise _no_account(name)

    def get(self, name: str) -> Account:
        """The account of that name. Raises NotFound."""
        account = self._store.find(name)
        if account is None:
            raise _no_account(name)
        return account

    def prepare_admin(self) -> bool:
        """Make sure that the administrator has a password; returns whether a person has chosen it.

        A password in `DEPLOYR_ADMIN_PASSWORD` is set, and taken out of the environment. Without one, and none set
        earlier, one is generated into a file that only its owner can read. Raises WeakPassword.
        """
        chosen = os.environ.pop(PASSWORD_VARIABLE, None)
        account = self._store.find(ADMIN)
        if chosen:
            try:
                check_password(ADMIN, chosen)
            except WeakPassword as fault:
                raise WeakPassword(f"{PASSWORD_VARIABLE}: {fault}") from None
            # The same one again must not end the administrator's sign-ins.
            if account is None or account.generated or not self._hashes.match(account.password_hash, chosen):
                self._store.put(Account(ADMIN, self._hashes.hash(chosen), OWNER, generated=False))
            self._generated_file.unlink(missing_ok=True)
            return True
        if account is not None and not account.generated:
            return True
        if account is None or not self._generated_file.exists():
            password = secrets.token_urlsafe(24)
            write_private(self._generated_file, password)
            self._store.put(Account(ADMIN, self._hashes.hash(password), OWNER, generated=True))
        return False


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadRequest(f"{role!r} is no role; the roles are {', '.join(ROLES)}.")


def _no_account(name: str) -> NotFound:
    return NotFound(f"There is no account {name[:64]!r}.")
