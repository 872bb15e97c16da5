"""The operations that say what happens, against a running server."""

from __future__ import annotations

from contextlib import closing

import pytest

from jupyter_deployr.client import DeployRClient, NotFound, Unauthorized, UnexpectedResponse
from jupyter_deployr.protocol.models import PublishWebServiceRequest
from tests.client.conftest import StubServer


def test_stats_and_log_of_a_version(client: DeployRClient) -> None:
    client.publish_web_service_version("Watched", "V1.0", PublishWebServiceRequest(code="print('so far')\n1 / 0"))
    assert not client.consume("Watched", "V1.0", {}).success
    stats = client.get_web_service_stats("Watched", "V1.0")
    assert (stats.name, stats.calls, stats.user_errors, stats.server_errors) == ("Watched", 1, 1, 0)
    assert stats.latency.p50
    assert stats.workers.size == 2
    assert len(stats.minutes) == 60
    log = client.get_web_service_log("Watched", "V1.0")
    (failed,) = log.entries
    assert (failed.status, failed.error_message) == (200, "ZeroDivisionError: division by zero")
    assert "line 2" in str(failed.traceback)
    assert failed.console_output == "so far\n"
    assert client.get_web_service_log("Watched", "V1.0", log.cursor).entries == []
    client.delete_web_service_version("Watched", "V1.0")
    with pytest.raises(NotFound):
        client.get_web_service_stats("Watched", "V1.0")
    with pytest.raises(NotFound):
        client.get_web_service_log("Watched", "V1.0")


def test_changes_are_followed(client: DeployRClient) -> None:
    with closing(client.follow_changes()) as changes:
        reset = next(changes)
        assert reset.kind == "reset"
        client.publish_web_service_version("Followed", "V1.0", PublishWebServiceRequest(code="y = 1"))
        created = next(changes)
    assert (created.kind, created.change, created.name, created.version) == ("service", "created", "Followed", "V1.0")
    client.delete_web_service_version("Followed", "V1.0")
    with closing(client.follow_changes(reset.cursor)) as changes:
        assert next(changes) == created
        assert next(changes).change == "removed"


def test_nothing_is_followed_without_a_token(server: object, client: DeployRClient) -> None:
    with DeployRClient(client.base_url) as stranger, pytest.raises(Unauthorized):
        next(stranger.follow_changes())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("text/html", b"<html>"),
        ("text/event-stream", b"id: 1\ndata: nothing\n\n"),
        ("text/event-stream", b"id: 1\ndata: [1]\n\n"),
    ],
)
def test_what_is_no_feed_is_said_to_be_none(kind: str, body: bytes, stub: StubServer) -> None:
    stub.always(200, body, {"Content-Type": kind})
    with DeployRClient(stub.url) as client, pytest.raises(UnexpectedResponse):
        list(client.follow_changes(headers={"Authorization": "Bearer x"}))
