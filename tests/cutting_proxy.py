"""A TCP proxy that loses an answer: a transaction is committed, and its connection ends before word of it comes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

_CHUNK = 65536
_COMMIT = b"COMMIT"


class CuttingProxy:
    """Forwards connections to a port of this machine. A context manager."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._statement = b""
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.cut = threading.Event()

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for opened in [self._listener, *self._open]:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def arm(self, statement: bytes) -> None:
        """Lose the answer to the COMMIT of the next transaction that has this statement in it."""
        self.cut.clear()
        self._statement = statement

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, server]
                losing = threading.Event()
                for work in (self._requests, self._answers):
                    threading.Thread(target=work, args=(client, server, losing), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        found = False
        with suppress(OSError):
            while chunk := client.recv(_CHUNK):
                if self._statement and self._statement in chunk:
                    found, self._statement = True, b""
                if found and _COMMIT in chunk:
                    losing.set()
                server.sendall(chunk)
            server.shutdown(socket.SHUT_RDWR)

    def _answers(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK):
                if losing.is_set():
                    break
                client.sendall(chunk)
            client.shutdown(socket.SHUT_RDWR)
            if losing.is_set():
                self.cut.set()
