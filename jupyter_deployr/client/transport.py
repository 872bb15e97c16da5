"""One HTTP exchange with the server: time-outs, JSON and errors, the same for every operation."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from jupyter_deployr import __version__
from jupyter_deployr.protocol.errors import ServerUnreachable, UnexpectedResponse, from_response

_DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": f"jupyter_deployr/{__version__}",
}

_PIECE = 1024 * 1024

Body = bytes | BinaryIO | Iterator[bytes] | None
"""What travels in a request: all of it, or what is read while it is sent."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds: `connect` for a connection, the others for an answer on it.

    `call` counts for service calls, for publishing and for starting sessions, `execution` for code in a session and for
    snapshots, `answer` for all else.
    """

    connect: float = 10.0
    answer: float = 60.0
    call: float = 600.0
    execution: float = 86_400.0


def server_address(url: str) -> str:
    """`url` without a trailing slash. Raises ServerUnreachable for what can't be a server's address."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ServerUnreachable("A server's address looks like http://host:12800; this one doesn't.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ServerUnreachable(f"The address of {parts.hostname} must not carry a user name, password or query.")
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _LivenessAdapter(HTTPAdapter):
    """Probes silent connections, so that a vanished server ends a long wait."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
        super().init_poolmanager(*args, socket_options=options, **kwargs)


class Transport:
    """Sends requests to one server. May be used from several threads at once.

    Proxies and certificates come from the environment, as with every program on requests; a server on this machine is
    spoken to directly. Redirects are not followed.
    """

    def __init__(self, base_url: str, timeouts: Timeouts) -> None:
        self.base_url = server_address(base_url)
        self.timeouts = timeouts
        self._session = requests.Session()
        self._session.headers.update(_DEFAULT_HEADERS)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _LivenessAdapter())
        self._proxies = {"http": "", "https": ""} if _is_loopback(self.base_url) else None

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Body = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The decoded JSON of a successful answer, None for an empty one.

        `timeout` is in seconds (default `timeouts.answer`). Raises the protocol's error for any other answer,
        ServerUnreachable when none comes, UnexpectedResponse when it isn't JSON.
        """
        return self._document(self._request(method, path, body, query, headers, timeout))

    def lines(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """The decoded JSON of each line of a successful answer, as they come; of a plain one, its one document.

        Raises as `send`; `timeout` counts for each line.
        """
        accepting = {**(headers or {}), "Accept": "application/x-ndjson, application/json"}
        response = self._request(method, path, body, query, accepting, timeout, stream=True)
        with response:
            if not response.headers.get("Content-Type", "").startswith("application/x-ndjson"):
                yield self._document(response)
                return
            for line in self._pieces(response, response.iter_lines(_PIECE)):
                yield self._line(line)

    def download(
        self,
        path: str,
        target: BinaryIO,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Write the bytes of a successful answer to `target`, piece by piece; returns how many. Raises as `send`."""
        written = 0
        with self._request("GET", path, None, None, headers, timeout, stream=True) as response:
            if not response.ok or 300 <= response.status_code < 400:
                self._document(response)
            for piece in self._pieces(response, response.iter_content(_PIECE)):
                written += target.write(piece)
        return written

    def _line(self, line: bytes) -> Any:
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            raise UnexpectedResponse(f"{self.base_url} answered with a line that is not JSON.") from None

    def _pieces(self, response: requests.Response, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """What comes in, with a broken connection as this project's error."""
        while True:
            try:
                piece = next(pieces)
            except StopIteration:
                return
            except requests.RequestException as fault:
                broken = f"The answer of {self.base_url} broke off ({_reason(fault)})."
            else:
                yield piece
                continue
            raise ServerUnreachable(broken, request_id=response.headers.get("X-Request-Id"))

    def _request(
        self,
        method: str,
        path: str,
        body: Body,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        """Any answer. Raises ServerUnreachable when none comes."""
        seconds = self.timeouts.answer if timeout is None else timeout
        try:
            return self._session.request(
                method,
                self.base_url + path,
                data=body,
                params=query,
                headers=headers,
                timeout=(self.timeouts.connect, seconds),
                allow_redirects=False,
                proxies=self._proxies,
                auth=_no_netrc,
                stream=stream,
            )
        except requests.RequestException as fault:
            unreachable = self._unreachable(fault, seconds)
        # Raised out here because the fault holds the request with its token, and a context would drag it along.
        raise unreachable

    def _document(self, response: requests.Response) -> Any:
        request_id = response.headers.get("X-Request-Id")
        if 300 <= response.status_code < 400:
            raise UnexpectedResponse(
                f"{self.base_url} redirects elsewhere, which is not followed. Use the server's own address.",
                request_id=request_id,
            )
        try:
            document = orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError:
            document = _NOT_JSON
        if not response.ok:
            raise from_response(response.status_code, document, request_id)
        if document is _NOT_JSON:
            raise UnexpectedResponse(
                f"{self.base_url} answered with something that is not JSON. Is this address a DeployR server?",
                request_id=request_id,
            )
        return document

    def _unreachable(self, fault: requests.RequestException, seconds: float) -> ServerUnreachable:
        if isinstance(fault, requests.ReadTimeout):
            return ServerUnreachable(
                f"{self.base_url} gave no answer within {seconds:g} s. It may still be at work; "
                "a longer time-out can be set."
            )
        if isinstance(fault, requests.ConnectTimeout):
            return ServerUnreachable(
                f"No connection to {self.base_url} within {self.timeouts.connect:g} s. "
                "Check the address and the network."
            )
        if isinstance(fault, requests.exceptions.SSLError):
            return ServerUnreachable(
                f"No secure connection to {self.base_url}: {_reason(fault)}. "
                "For a certificate authority of your own, set REQUESTS_CA_BUNDLE to its file."
            )
        if isinstance(fault, requests.ConnectionError):
            return ServerUnreachable(
                f"No server answers at {self.base_url} ({_reason(fault)}). "
                "Start one with `jupyter deployr serve`, or correct the address."
            )
        return ServerUnreachable(f"The request to {self.base_url} could not be sent ({type(fault).__name__}).")


_NOT_JSON = object()


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as `auth`, keeps requests from replacing the token by a password of ~/.netrc."""
    return request


def _reason(fault: BaseException) -> str:
    """The operating system's words for a fault; those of requests and urllib3 repeat the URL with its query."""
    link: BaseException | None = fault
    while link is not None:
        if isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            return link.strerror or str(link)
        link = link.__cause__ or link.__context__
    return type(fault).__name__
