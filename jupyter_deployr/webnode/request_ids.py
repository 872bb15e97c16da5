"""Every response carries the id of its request, which the log has too."""

from __future__ import annotations

import itertools
import secrets

REQUEST_ID = b"x-request-id"
REQUEST_ID_IN_SCOPE = "deployr.request_id"

# Random once per process, then counted: unique without asking the system for randomness on every call.
_prefix = secrets.token_hex(8)
_counter = itertools.count(secrets.randbelow(1 << 32))


def new_request_id() -> bytes:
    """A new id, e.g. b"1f0c…-00a3"."""
    return b"%s-%08x" % (_prefix.encode(), next(_counter))
