"""`jupyter deployr user …` and `rotate-key`: who may sign in, also while the server runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Any, ClassVar

from traitlets import Bool, Unicode

from jupyter_deployr.command import Command, CommandGroup, fail
from jupyter_deployr.protocol.errors import DeployRError


class _ServerCommand(Command):
    """A command about the data of a server; it reads the configuration of `serve` to find them."""

    config_file_name = Unicode("jupyter_deployr_serve_config")
    database = Unicode("", help="URL of the database, when it isn't the one in the data directory.").tag(config=True)
    aliases = {**Command.aliases, "database": "_ServerCommand.database"}

    @property
    def settings(self) -> Any:
        """What `serve` would be told with the same configuration, as far as it says where the data are."""
        from jupyter_deployr.webnode import Settings

        served = self.config.get("ServeApp", {})
        if not self.data_dir and served.get("data_dir"):
            self.data_dir = served["data_dir"]
        return Settings(data_dir=self.directory, database=self.database or served.get("database") or None)


class _UserCommand(_ServerCommand):
    """A command about an account, in which a reason not to do it takes one line."""

    operands: ClassVar[tuple[str, ...]] = ("name of the account",)

    @property
    def account(self) -> str:
        """The name that was given."""
        return str(self.extra_args[0])

    @contextmanager
    def accounts(self) -> Iterator[Any]:
        """The accounts of the server."""
        from jupyter_deployr.webnode import CannotStart, WeakPassword, accounts_of

        try:
            with accounts_of(self.settings) as accounts:
                yield accounts
        except (CannotStart, DeployRError, WeakPassword) as error:
            fail(error)


class _RoleCommand(_UserCommand):
    """A command that is told a role."""

    role = Unicode("", help="Owner, Contributor or Reader.").tag(config=True)
    aliases = {**_UserCommand.aliases, "role": "_RoleCommand.role"}

    @property
    def chosen_role(self) -> str:
        """The role as it is written; checked by who sets it."""
        if not self.role:
            fail("the option --role is missing: Owner, Contributor or Reader")
        return self.role.capitalize()


class UserAddApp(_RoleCommand):
    """Add an account: `user add NAME --role ROLE`. The password is asked for, or read from standard input."""

    name = "jupyter-deployr-user-add"
    description = __doc__

    def start(self) -> None:
        role = self.chosen_role
        with self.accounts() as accounts:
            accounts.check_new(self.account)
            accounts.add(self.account, role, _new_password(self.account))
        print(f"Added {self.account}, {role}.")


class UserListApp(_UserCommand):
    """List the accounts and their roles."""

    name = "jupyter-deployr-user-list"
    description = __doc__
    operands = ()

    def start(self) -> None:
        with self.accounts() as accounts:
            known = accounts.all()
        width = max((len(principal.name) for principal in known), default=0)
        for principal in known:
            print(f"{principal.name:{width}}  {principal.role}")


class UserPasswdApp(_UserCommand):
    """Change the password of an account: `user passwd NAME`. Its sign-ins end."""

    name = "jupyter-deployr-user-passwd"
    description = __doc__

    def start(self) -> None:
        with self.accounts() as accounts:
            accounts.get(self.account)
            accounts.change_password(self.account, _new_password(self.account))
        print(f"Changed the password of {self.account}.")


class UserRoleApp(_RoleCommand):
    """Change the role of an account: `user role NAME --role ROLE`. Its sign-ins end."""

    name = "jupyter-deployr-user-role"
    description = __doc__

    def start(self) -> None:
        role = self.chosen_role
        with self.accounts() as accounts:
            accounts.change_role(self.account, role)
        print(f"{self.account} is {role}.")


class UserRemoveApp(_UserCommand):
    """Remove an account: `user remove NAME`. Its sign-ins end; what it has published stays."""

    name = "jupyter-deployr-user-remove"
    description = __doc__

    def start(self) -> None:
        with self.accounts() as accounts:
            accounts.remove(self.account)
        print(f"Removed {self.account}.")


class UserApp(CommandGroup):
    """Add, list, change and remove accounts; a running server sees it within a second."""

    name = "jupyter-deployr-user"
    description = __doc__
    subcommands = {
        "add": (UserAddApp, UserAddApp.__doc__),
        "list": (UserListApp, UserListApp.__doc__),
        "passwd": (UserPasswdApp, UserPasswdApp.__doc__),
        "role": (UserRoleApp, UserRoleApp.__doc__),
        "remove": (UserRemoveApp, UserRemoveApp.__doc__),
    }


class RotateKeyApp(_ServerCommand):
    """Let a new key sign access tokens; those that the old one signed stay valid until they expire."""

    name = "jupyter-deployr-rotate-key"
    description = __doc__

    now = Bool(False, help="End at once what older keys have signed, as after a theft of the data directory.").tag(
        config=True
    )
    flags = {"now": ({"RotateKeyApp": {"now": True}}, "End at once what older keys have signed.")}

    def start(self) -> None:
        from jupyter_deployr.webnode import CannotStart, rotate_signing_key

        try:
            identity = rotate_signing_key(self.settings, at_once=self.now)
        except (CannotStart, DeployRError) as error:
            fail(error)
        print(f"The key {identity} signs access tokens from now on.")


def _new_password(name: str) -> str:
    """The password to set: asked for twice on a terminal, else the first line of standard input."""
    try:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\r\n")
        password = getpass(f"New password of {name}: ")
        if getpass("The same once more: ") != password:
            fail("the two passwords differ; nothing was changed")
    except (KeyboardInterrupt, EOFError):
        fail("no password was given; nothing was changed")
    except UnicodeError:
        fail("the password is no text in the encoding of this terminal; nothing was changed")
    return password
