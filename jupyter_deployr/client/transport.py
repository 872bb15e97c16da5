"""One HTTP exchange with the server: time-outs, JSON and errors, the same for every operation."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ProtocolError

from jupyter_deployr import __version__
from jupyter_deployr.client import redirects
from jupyter_deployr.client.network import Network
from jupyter_deployr.client.retries import pause_before_retry
from jupyter_deployr.protocol.errors import BadRequest, ServerUnreachable, UnexpectedResponse, from_response

_DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": f"jupyter_deployr/{__version__}",
}

_PIECE = 1024 * 1024
_EVENTS = "text/event-stream"

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


class _LivenessAdapter(HTTPAdapter):
    """Probes silent connections, so that a vanished server ends a long wait."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)


def _socket_options() -> list[Any]:
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    return options


class Lines(Iterator[Any]):
    """The decoded JSON of each line of an answer, as they come, and the `headers` before them."""

    def __init__(self, response: requests.Response, documents: Iterator[Any]) -> None:
        self._response = response
        self._documents = documents
        self._closed = False
        self.headers: Mapping[str, str] = response.headers

    def __next__(self) -> Any:
        if self._closed:
            raise ServerUnreachable("Nobody listens to this answer any more.")
        return next(self._documents)

    def close(self) -> None:
        """Give the connection back; one on which lines are still to come ends."""
        self._closed = True
        self._response.close()


class Transport:
    """Sends requests to one server. May be used from several threads at once.

    A GET that finds no server, or one that is about to be back, is sent again a little later; nothing else ever is.
    Redirects are followed within the server only.
    """

    def __init__(self, base_url: str, timeouts: Timeouts, network: Network | None = None) -> None:
        self.base_url = server_address(base_url)
        self.timeouts = timeouts
        self.network = network or Network()
        self.network.options(self.base_url)
        self._session = requests.Session()
        self._session.headers.update(_DEFAULT_HEADERS)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _LivenessAdapter())

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
    ) -> Lines:
        """What a successful answer has in its lines; of a plain answer, its one document.

        Raises as `send`; `timeout` counts for each line.
        """
        accepting = {**(headers or {}), "Accept": "application/x-ndjson, application/json"}
        response = self._request(method, path, body, query, accepting, timeout, stream=True)
        if response.headers.get("Content-Type", "").startswith("application/x-ndjson"):
            return Lines(response, self._decoded(response))
        with response:
            return Lines(response, iter([self._document(response)]))

    def _decoded(self, response: requests.Response) -> Iterator[Any]:
        with response:
            for line in self._pieces(response, response.iter_lines(_PIECE)):
                yield self._line(line)

    def events(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[tuple[str, Any]]:
        """The id and the decoded JSON of each server-sent event, as they come. Raises as `send`.

        `timeout` counts for each sign of life.
        """
        response = self._request("GET", path, None, query, {**(headers or {}), "Accept": _EVENTS}, timeout, stream=True)
        if response.headers.get("Content-Type", "").startswith(_EVENTS):
            return self._told(response)
        with response:
            self._document(response)
        raise UnexpectedResponse(
            f"{self.base_url} answered with something that is no stream of events. Is this address a DeployR server?",
            request_id=response.headers.get("X-Request-Id"),
        )

    def _told(self, response: requests.Response) -> Iterator[tuple[str, Any]]:
        identity = ""
        with response:
            for line in self._pieces(response, response.iter_lines(_PIECE)):
                field, _, value = line.partition(b": ")
                if field == b"id":
                    identity = value.decode("latin-1")
                elif field == b"data":
                    yield identity, self._line(value)

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
            if not response.ok or redirects.is_redirect(response):
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
        options = {
            "headers": headers,
            "timeout": (self.timeouts.connect, seconds),
            "stream": stream,
            **self.network.options(self.base_url),
        }
        attempt = 1
        while True:
            outcome = self._exchange(method, path, body, query, options)
            pause = pause_before_retry(method, outcome, attempt)
            if pause is None:
                break
            if isinstance(outcome, requests.Response):
                outcome.close()
            time.sleep(pause)
            attempt += 1
        if isinstance(outcome, requests.Response):
            return outcome
        unreachable = self._unreachable(method, outcome, seconds)
        # The fault holds the request with its token, and would be dragged along by the error's frames.
        del outcome
        raise unreachable

    def _exchange(
        self, method: str, path: str, body: Body, query: Mapping[str, str] | None, options: Mapping[str, Any]
    ) -> requests.Response | requests.RequestException:
        """The outcome of one attempt, after the redirects that may be followed."""
        url = self.base_url + path
        file = cast(BinaryIO, body) if hasattr(body, "seek") else None
        start = file.tell() if file else 0
        try:
            for _ in range(redirects.MOST + 1):
                response = self._session.request(
                    method, url, data=body, params=query, allow_redirects=False, auth=_no_netrc, **options
                )
                target = redirects.target_within(self.base_url, method, response)
                if target is None or not (body is None or isinstance(body, bytes) or file):
                    break
                response.close()
                url, query = target, None
                if file:
                    file.seek(start)
        except requests.RequestException as fault:
            return fault
        except UnicodeError:
            pass  # it holds the header, perhaps a token
        else:
            return response
        raise BadRequest("A header of the request has characters that can't be sent.")

    def _document(self, response: requests.Response) -> Any:
        request_id = response.headers.get("X-Request-Id")
        if redirects.is_redirect(response):
            raise UnexpectedResponse(redirects.refusal(self.base_url, response), request_id=request_id)
        try:
            document = orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError:
            document = _NOT_JSON
        if response.status_code in _GATEWAY_STATUSES and not (
            isinstance(document, dict) and "exceptionType" in document
        ):
            raise ServerUnreachable(self._gateway_answers(response), request_id=request_id)
        if not response.ok:
            raise from_response(response.status_code, document, request_id)
        if document is _NOT_JSON:
            raise UnexpectedResponse(
                f"{self.base_url} answered with something that is not JSON. Is this address a DeployR server?",
                request_id=request_id,
            )
        return document

    def _gateway_answers(self, response: requests.Response) -> str:
        said = f"A gateway answers in place of {self.base_url}, with status {response.status_code}: "
        away = "the server behind it is away, or took too long."
        return said + away + _maybe_done(response.request.method)

    def _unreachable(self, method: str, fault: requests.RequestException, seconds: float) -> ServerUnreachable:
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
        if isinstance(fault, requests.exceptions.SSLError) or _is_of_tls(fault):
            return ServerUnreachable(
                f"No secure connection to {self.base_url}: {_reason(fault)}. For a certificate authority of your own, "
                "give its file as `ca` or in REQUESTS_CA_BUNDLE; a server may also ask for a `client_certificate`."
            )
        if isinstance(fault, (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)):
            return ServerUnreachable(
                f"The proxy on the way to {self.base_url} doesn't let through ({_reason(fault)}). "
                "Check `proxies`, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
            )
        if isinstance(fault, requests.exceptions.ChunkedEncodingError):
            return ServerUnreachable(
                f"The answer of {self.base_url} broke off ({_reason(fault)}).{_maybe_done(method)}"
            )
        if method != "GET" and any(isinstance(cause, ProtocolError) for cause in _causes(fault)):
            return ServerUnreachable(
                f"The connection to {self.base_url} broke off before an answer came ({_reason(fault)})."
                f"{_maybe_done(method)}"
            )
        if isinstance(fault, requests.ConnectionError):
            return ServerUnreachable(
                f"No server answers at {self.base_url} ({_reason(fault)}). "
                "Start one with `jupyter deployr serve`, or correct the address."
            )
        return ServerUnreachable(f"The request to {self.base_url} could not be sent ({type(fault).__name__}).")


_NOT_JSON = object()
# A gateway says these when the server behind it is away; the server's own answers have an Error body.
_GATEWAY_STATUSES = (502, 503, 504)


def _maybe_done(method: str | None) -> str:
    """What to add where it is not known whether a request was carried out."""
    return "" if method == "GET" else " The request was sent and may have been carried out."


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as `auth`, keeps requests from replacing the token by a password of ~/.netrc."""
    return request


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """A fault and what it came from."""
    link: BaseException | None = fault
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _is_of_tls(fault: BaseException) -> bool:
    """Whether the secure connection is at fault, also where it is refused after it was made."""
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(fault))


def _reason(fault: BaseException) -> str:
    """The operating system's words for a fault; those of requests and urllib3 repeat the URL with its query."""
    for cause in _causes(fault):
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            return cause.strerror or str(cause)
    return type(fault).__name__
