"""Who may do what: accounts, tokens, roles."""

from jupyter_deployr.webnode.auth.accounts import PASSWORD_VARIABLE, LocalAccounts
from jupyter_deployr.webnode.auth.keys import DamagedKey, SigningKeys
from jupyter_deployr.webnode.auth.logins import Logins
from jupyter_deployr.webnode.auth.passwords import WeakPassword
from jupyter_deployr.webnode.auth.principal import CONTRIBUTOR, OWNER, READER, ROLES, Principal
from jupyter_deployr.webnode.auth.signing import TokenSigner
from jupyter_deployr.webnode.auth.tokens import Tokens

__all__ = [
    "CONTRIBUTOR",
    "OWNER",
    "PASSWORD_VARIABLE",
    "READER",
    "ROLES",
    "DamagedKey",
    "LocalAccounts",
    "Logins",
    "Principal",
    "SigningKeys",
    "TokenSigner",
    "Tokens",
    "WeakPassword",
]
