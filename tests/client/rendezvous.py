"""How remote code tells a test that it has come to a certain line."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


class Rendezvous:
    """`code` is what the remote code has to run there."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.code = f"import socket; socket.create_connection({listener.getsockname()!r}).close()"

    def wait(self) -> None:
        """Until the remote code is there."""
        connection, _ = self._listener.accept()
        connection.close()


@contextlib.contextmanager
def arranged() -> Iterator[Rendezvous]:
    """A rendezvous that fails after a minute."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield Rendezvous(listener)
