"""`%login`."""

from __future__ import annotations

import getpass
from argparse import Namespace

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import line_magic, magics_class

from jupyter_deployr.magics.options import argument, magic_arguments
from jupyter_deployr.magics.verbs import Verbs, verb


def _ask(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except (StdinNotImplementedError, EOFError):
        raise UsageError("nobody can be asked for the password here; set DEPLOYR_PASSWORD") from None


@magics_class
class LoginVerbs(Verbs):
    """Who one is, and where."""

    @line_magic
    @verb()
    @magic_arguments()
    @argument("url", nargs="?", help="the server's address; without it the one that is set, configured or embedded")
    @argument("-u", "--user", metavar="USER", help="the account; without it the one that is set, or admin")
    def login(self, options: Namespace, cell: None) -> None:
        """Sign in to a server.

        Not needed for the embedded server, which starts and lets you in by itself. The password is never an argument:
        it comes from the environment variable DEPLOYR_PASSWORD or is asked for.

        Example::

            %login http://deployr.example.com:12800 -u ada
        """
        client = self.connection.sign_in(options.url, options.user, _ask)
        print(f"Signed in to {client.base_url}.")
