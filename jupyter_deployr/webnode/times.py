"""Times as they travel."""

from __future__ import annotations

from datetime import datetime


def creation_time(epoch_seconds: float) -> str:
    """Local ISO 8601 without a zone, as this API has always written it: "2017-10-05T22:49:33.783267"."""
    return datetime.fromtimestamp(epoch_seconds).isoformat()  # noqa: DTZ006
