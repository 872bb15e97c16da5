"""When a request is sent once more: a GET only, which changes nothing however often it arrives."""

from __future__ import annotations

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

ATTEMPTS = 3
"""How often a GET is sent at most."""

LONGEST_PAUSE = 10.0
"""Seconds. A server that asks for more isn't waited for."""

_PAUSES = (0.2, 0.8)
_PASSING = (502, 503)


def pause_before_retry(
    method: str, outcome: requests.Response | requests.RequestException, attempt: int
) -> float | None:
    """Seconds to wait before attempt `attempt + 1`, counted from 1; None when this outcome is the last word."""
    if method != "GET" or attempt >= ATTEMPTS:
        return None
    usual = _PAUSES[attempt - 1]
    if isinstance(outcome, requests.Response):
        return _asked_for(outcome, usual) if outcome.status_code in _PASSING else None
    lasting = (requests.Timeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)
    return usual if isinstance(outcome, requests.ConnectionError) and not isinstance(outcome, lasting) else None


def _asked_for(response: requests.Response, usual: float) -> float | None:
    header = response.headers.get("Retry-After")
    if header is None:
        return usual
    try:
        seconds = Retry().parse_retry_after(header)
    except InvalidHeader:
        return usual
    return seconds if seconds <= LONGEST_PAUSE else None
