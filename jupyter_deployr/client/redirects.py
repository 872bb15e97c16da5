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
    upgraded = here[:2] == ("http", there[1]) and here[2] == 80 and (there[0], there[2]) == ("https", 443)
    return target if here == there or upgraded else None


def host_of(response: requests.Response) -> str:
    """The host that a redirect names, for people; without the path, which may hold a secret."""
    try:
        return urlsplit(urljoin(response.url, response.headers.get("Location", ""))).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    if parts.username is not None:
        raise ValueError("An address with a user name isn't followed.")
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
