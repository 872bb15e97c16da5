"""The notebook's connection: made by the first magic that needs it, and made again when its server has moved."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jupyter_deployr.magics.settings import DeployRMagics

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_deployr.client import DeployRClient


class Connection:
    """Gives the magics a signed-in client."""

    def __init__(self, settings: DeployRMagics) -> None:
        self._settings = settings
        self._client: DeployRClient | None = None
        settings.observe(
            lambda change: self._drop(),
            names=["server", "username", "execution_timeout", "ca", "client_certificate", "client_key", "proxies"],
        )

    @property
    def client(self) -> DeployRClient:
        """A client for the server that is set, configured or embedded. Nobody is asked for a password here.

        Raises Unauthorized, ServerUnreachable, EmbeddedServerFailed.
        """
        known = self._client
        if known is None or not known.signed_in or known.base_url != self._address():
            self._drop()
            known = self._client = self._connect(self._settings.server, self._settings.username)
        return known

    def sign_in(self, url: str | None, username: str | None, ask: Callable[[str], str]) -> DeployRClient:
        """Sign in anew, asking for the password where none is known; what was given stays in the settings."""
        url = url or self._settings.server
        username = username or self._settings.username
        client = self._connect(url, username, ask)
        self._settings.set_trait("server", url)
        self._settings.set_trait("username", username)
        self._drop()
        self._client = client
        return client

    def _address(self) -> str | None:
        """Where the server is now; None for an embedded server that has to be started."""
        from jupyter_deployr.client.connection import configured_server
        from jupyter_deployr.client.transport import server_address
        from jupyter_deployr.protocol import places

        if self._settings.server:
            return server_address(self._settings.server)
        record = places.read_record(places.default_data_dir())
        return configured_server() or (record.url if record is not None else None)

    def _connect(self, url: str, username: str, ask: Callable[[str], str] | None = None) -> DeployRClient:
        from jupyter_deployr.client import Timeouts, connect

        settings = self._settings
        shown, key = settings.client_certificate, settings.client_key
        return connect(
            url or None,
            username or None,
            ask=ask,
            timeouts=dataclasses.replace(Timeouts(), execution=settings.execution_timeout),
            ca=settings.ca or None,
            client_certificate=(shown, key) if shown and key else shown or None,
            proxies=settings.proxies or None,
        )

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
