"""Who may do what: accounts, tokens, roles."""

from jupyter_deployr.webnode.auth.passwords import PASSWORD_VARIABLE, LocalAccounts, WeakPassword
from jupyter_deployr.webnode.auth.principal import CONTRIBUTOR, OWNER, READER, Principal
from jupyter_deployr.webnode.auth.signing import TokenSigner
from jupyter_deployr.webnode.auth.tokens import Tokens

__all__ = [
    "CONTRIBUTOR",
    "OWNER",
    "PASSWORD_VARIABLE",
    "READER",
    "LocalAccounts",
    "Principal",
    "TokenSigner",
    "Tokens",
    "WeakPassword",
]
