"""From nothing, or from the environment, to a signed-in client.

    DEPLOYR_SERVER     the server's address; without it the embedded server is found or started
    DEPLOYR_USERNAME   the account, by default `admin`
    DEPLOYR_PASSWORD   its password on that server

The embedded server's generated password is read from its file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from jupyter_deployr.client import embedded
from jupyter_deployr.client.api import DeployRClient
from jupyter_deployr.client.network import Network, PathLike
from jupyter_deployr.client.transport import Timeouts, server_address
from jupyter_deployr.protocol import places
from jupyter_deployr.protocol.errors import Unauthorized
from jupyter_deployr.protocol.models import LoginRequest


def configured_server() -> str | None:
    """The address in DEPLOYR_SERVER, None when the embedded server is to be used."""
    url = os.environ.get("DEPLOYR_SERVER")
    return server_address(url) if url else None


def connect(
    url: str | None = None,
    username: str | None = None,
    *,
    ask: Callable[[str], str] | None = None,
    timeouts: Timeouts | None = None,
    token: str | None = None,
    ca: PathLike | None = None,
    client_certificate: PathLike | Sequence[PathLike] | None = None,
    proxies: str | Mapping[str, str] | None = None,
) -> DeployRClient:
    """A client that is signed in to `url`, or else to the configured or the embedded server.

    `ask` gets a prompt and returns a password; it is called only when no password is known for that server and
    account. With an access `token` there is no login; the server looks at it with the first operation. For `ca`,
    `client_certificate` and `proxies` see `Network`. Raises Unauthorized, ServerUnreachable, EmbeddedServerFailed.
    """
    network = Network(ca, client_certificate, proxies)
    if url is not None:
        url = server_address(url)
    username = username or os.environ.get("DEPLOYR_USERNAME") or places.ADMIN
    data_dir = places.default_data_dir()
    target = url or configured_server() or embedded.start(data_dir).url
    if token is not None:
        client = DeployRClient(target, timeouts=timeouts, network=network)
        client.use_token(token)
        return client
    password = _known_password(target, username)
    if password is None and ask is not None:
        password = ask(f"Password of {username} at {target}: ")
    if password is None:
        raise Unauthorized(
            f"No password is known for {username} at {target}. "
            "Run %login, or set the environment variable DEPLOYR_PASSWORD."
        )
    client = DeployRClient(target, timeouts=timeouts, network=network)
    client.login(LoginRequest(username, password))
    return client


def _known_password(url: str, username: str) -> str | None:
    """Never the password of one server for another."""
    server = configured_server()
    if server is None:
        record = places.read_record(places.default_data_dir())
        if record is not None and record.url == url and username == places.ADMIN:
            return embedded.admin_password(places.default_data_dir())
    if server is None or server == url:
        return os.environ.get("DEPLOYR_PASSWORD") or None
    return None
