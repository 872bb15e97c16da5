"""The notebook's connection: made by the first magic that needs it, and made again when its server has moved."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jupyter_deployr.magics.settings import DeployRMagics

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_deployr.client import DeployRClient, Timeouts


class Connection:
    """Gives the magics a signed-in client."""

    def __init__(self, settings: DeployRMagics) -> None:
        self._settings = settings
        self._client: DeployRClient | None = None
        settings.observe(lambda change: self._drop(), names=["server", "username", "execution_timeout"])

    @property
    def client(self) -> DeployRClient:
        """A client for the server that is set, configured or embedded. Nobody is asked for a password here.

        Raises Unauthorized, ServerUnreachable, EmbeddedServerFailed.
        """
        from jupyter_deployr.client import connect

        known = self._client
        if known is None or not known.signed_in or known.base_url != self._address():
            self._drop()
            known = connect(self._settings.server or None, self._settings.username or None, timeouts=self._timeouts())
            self._client = known
        return known

    def sign_in(self, url: str | None, username: str | None, ask: Callable[[str], str]) -> DeployRClient:
        """Sign in anew, asking for the password where none is known; what was given stays in the settings."""
        from jupyter_deployr.client import connect

        url = url or self._settings.server
        username = username or self._settings.username
        client = connect(url or None, username or None, ask=ask, timeouts=self._timeouts())
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

    def _timeouts(self) -> Timeouts:
        from jupyter_deployr.client import Timeouts

        return dataclasses.replace(Timeouts(), execution=self._settings.execution_timeout)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
