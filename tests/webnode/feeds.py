"""A listener to the change feed, as any program would be one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.api import Api


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    id: str
    type: str
    data: dict[str, Any]


class Feed:
    """An open `GET /events`. Keep-alives come every five seconds, so that nothing waits for ever."""

    def __init__(self, api: Api, after: str | None = None, last_event_id: str | None = None) -> None:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        query = {} if after is None else {"after": after}
        self.response = api.http.get(f"{api.url}/events", params=query, headers=headers, stream=True, timeout=(10, 20))
        assert self.response.status_code == 200, self.response.text
        self._lines = self.response.iter_lines()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()

    def events(self) -> Iterator[Event]:
        """The events to come, until the server ends the response."""
        members: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.decode().partition(": ")
            if name in ("id", "event", "data"):
                members[name] = value
            elif not line and members:
                yield Event(members["id"], members["event"], json.loads(members["data"]))
                members = {}

    def next(self, seconds: float = 30) -> Event:
        """The next event, whatever it is."""
        return self.until(lambda _: True, seconds)

    def until(self, wanted: Any, seconds: float = 30) -> Event:
        """The first event to come that is wanted."""
        deadline = time.monotonic() + seconds
        for event in self.events():
            if wanted(event):
                return event
            assert time.monotonic() < deadline, f"no such event within {seconds} s"
        raise AssertionError("the feed has ended")

    def of(self, subject: str) -> Event:
        """The first event to come of the version, session or snapshot of that name or id."""
        return self.until(lambda event: subject in (event.data.get("name"), event.data.get("id")))
