"""How to reach a server: whom to trust, what certificate to show, through which proxy."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_deployr.protocol.errors import ServerUnreachable

PathLike = str | os.PathLike[str]

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Network:
    """Beyond the address. What isn't given comes from the environment, as with every program on requests.

    `ca` is a file of certificates (PEM) or a folder of them, which are trusted instead of the usual ones; else
    REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE. `client_certificate` is a file (PEM) with a certificate and its unencrypted
    key, or a pair of files. `proxies` is the address of a proxy, or one for each of `http` and `https`, an empty one
    for none; else HTTP_PROXY, HTTPS_PROXY and NO_PROXY. For a server on this machine, only `proxies` counts.
    """

    ca: PathLike | None = None
    client_certificate: PathLike | Sequence[PathLike] | None = None
    proxies: str | Mapping[str, str] | None = field(default=None, repr=False)  # may hold the proxy's password

    def options(self, url: str) -> dict[str, Any]:
        """The arguments of a request to `url`. Raises ServerUnreachable for a file that isn't there."""
        return {"verify": self._trusted(), "cert": self._shown(), "proxies": self._proxies(url)}

    def _trusted(self) -> str | bool:
        if self.ca is not None:
            return _existing(self.ca, "The file of certificate authorities")
        for variable in _CA_VARIABLES:
            if os.environ.get(variable):
                return _existing(os.environ[variable], f"The file of certificate authorities in {variable}")
        return True

    def _shown(self) -> str | tuple[str, str] | None:
        if self.client_certificate is None:
            return None
        if isinstance(self.client_certificate, (str, os.PathLike)):
            return _existing(self.client_certificate, "The client certificate")
        try:
            certificate, key = self.client_certificate
        except (TypeError, ValueError):
            raise ServerUnreachable(
                "The client certificate is one file, or two: the certificate and its key."
            ) from None
        return _existing(certificate, "The client certificate"), _existing(key, "The client certificate's key")

    def _proxies(self, url: str) -> dict[str, str] | None:
        if isinstance(self.proxies, str):
            return {"http": self.proxies, "https": self.proxies}
        # To requests, None is as if it wasn't given.
        given = {name: proxy or "" for name, proxy in (self.proxies or {}).items()}
        # What isn't given here, requests takes from the environment.
        none = {"http": "", "https": ""} if is_loopback(url) and "all" not in given else {}
        return {**none, **given} or None


def is_loopback(url: str) -> bool:
    """Whether `url` is an address of this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _existing(path: PathLike, what: str) -> str:
    if not Path(path).expanduser().exists():
        raise ServerUnreachable(f"{what} is not there: {os.fspath(path)}.")
    return str(Path(path).expanduser())
