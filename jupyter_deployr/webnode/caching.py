"""What depends on who asks is kept by nobody on the way."""

from __future__ import annotations

NO_STORE = (b"cache-control", b"no-store")
