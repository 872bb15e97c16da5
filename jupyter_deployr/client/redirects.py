"""Which redirects are followed: those within the server, with the token. Another host gets neither token nor visit."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import requests

MOST = 5
"""How many redirects in a row are followed."""

_SAME_METHOD = (307, 308)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_redirect(response: requests.Response) -> bool:
    """Whether `response` says that the answer is elsewhere."""
    return 300 <= response.status_code < 400


def target_within(base_url: str, method: str, response: requests.Response) -> str | None:
    """Where `response` redirects `method` to, if that may be followed: the same host and port, or their https."""
    location = response.headers.get("Location")
    if not is_redirect(response) or not location:
        return None
    if method != "GET" and response.status_code not in _SAME_METHOD:
        return None  # the request would have to become a GET, and what it was to do wouldn't be done
    try:
        target = urljoin(response.url, location)
        here, there = _origin(base_url), _origin(target)
    except ValueError:
        return None
    return target if _same_server(here, there) else None


def refusal(base_url: str, response: requests.Response) -> str:
    """Why the redirect `response` was not followed, and what to do. Tells no path, which may hold a secret."""
    host = host_of(response)
    if not host or not response.headers.get("Location"):
        return f"{base_url} redirects to nowhere, which is not followed. Use the server's own address."
    try:
        within = _same_server(_origin(base_url), _origin(urljoin(response.url, response.headers["Location"])))
    except ValueError:
        within = False
    if not within:
        return (
            f"{base_url} redirects to {host}, which is not followed: token and data are meant for this server. "
            "Use the server's own address."
        )
    method = response.request.method or ""
    if method == "GET":
        return (
            f"{base_url} redirects within itself more than {MOST} times in a row, which is not followed any further. "
            "Look for a circle in the rules of the proxy before the server."
        )
    if response.status_code in _SAME_METHOD:
        return (
            f"{base_url} redirects a {method} within itself, which is not followed: too often, or with a body that "
            "can't be read twice. Use the address that the server has behind its redirects."
        )
    return (
        f"{base_url} answers a {method} with the redirect {response.status_code} within itself, which is not followed: "
        f"it would become a GET, and do nothing. Have the proxy before the server redirect with 307 or 308, or use the "
        "address behind the redirect."
    )


def host_of(response: requests.Response) -> str:
    """The host that a redirect names, for people; without the path, which may hold a secret."""
    try:
        return urlsplit(urljoin(response.url, response.headers.get("Location", ""))).netloc.rpartition("@")[2]
    except ValueError:
        return ""


_Origin = tuple[str, str | None, int | None]


def _same_server(here: _Origin, there: _Origin) -> bool:
    """Whether they are one, or `there` the https of `here`, each on its usual port."""
    upgraded = here[:2] == ("http", there[1]) and here[2] == 80 and (there[0], there[2]) == ("https", 443)
    return here == there or upgraded


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    if parts.username is not None:
        raise ValueError("An address with a user name isn't followed.")
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
