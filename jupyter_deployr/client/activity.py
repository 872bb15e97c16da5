"""The operations that say what happens on the server: figures and failures of a version, and the change feed."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_deployr.client.calls import Caller, Headers, as_model, path
from jupyter_deployr.client.transport import Transport
from jupyter_deployr.protocol.models import ChangeEvent, ServiceLog, ServiceStats

# The server says something every five seconds, if only that it is there.
_SILENCE_SECONDS = 30.0


class ActivityOperations:
    """Part of DeployRClient."""

    _transport: Transport
    _caller: Caller

    def get_web_service_stats(self, name: str, version: str, headers: Headers = None) -> ServiceStats:
        """`getWebServiceStats`: calls, errors, latencies, queue and workers of a version. Raises NotFound."""
        return self._caller.call(ServiceStats, "GET", path("services", name, version, "stats"), headers)

    def get_web_service_log(
        self, name: str, version: str, after: str | None = None, headers: Headers = None
    ) -> ServiceLog:
        """`getWebServiceLog`: the latest calls of a version that failed; with the `cursor` of an earlier answer, those
        since then. Raises NotFound, Forbidden (someone else's)."""
        query = None if after is None else {"after": after}
        return self._caller.call(ServiceLog, "GET", path("services", name, version, "log"), headers, query=query)

    def follow_changes(self, after: str | None = None, headers: Headers = None) -> Iterator[ChangeEvent]:
        """`followChanges`: services, sessions and snapshots that are created, changed and removed, as it happens.

        Begins with an event of the kind `reset`, which says that what is shown must be listed anew, unless `after`, the
        `cursor` of an event, is one to go on from. Ends when the server stops or the access token isn't valid any more:
        ask again after the last cursor. The connection is held until the iterator is closed or used up. Raises
        ServerUnreachable also when the connection breaks.
        """
        query = None if after is None else {"after": after}
        events = self._caller.with_token(
            headers,
            lambda sent: self._transport.events("/events", query=query, headers=sent, timeout=_SILENCE_SECONDS),
        )
        for cursor, data in events:
            yield as_model(ChangeEvent, {**data, "cursor": cursor} if isinstance(data, dict) else data)
