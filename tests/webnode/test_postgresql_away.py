"""The server while its PostgreSQL is stopped, locked, frozen, or out of reach at the worst moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.api import Api, definitions
from tests.cutting_proxy import CuttingProxy
from tests.postgresql import PostgreSQL, served_on
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode import batch_api

Start = Callable[..., ServerProcess]

Y = definitions(y="integer")


@pytest.fixture
def running(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    """The cluster, for a test that ends it: it runs again afterwards."""
    yield postgresql
    if not (postgresql.home / "data" / "postmaster.pid").exists():
        postgresql.start()


def _unavailable(api: Api, method: str, path: str, **options: Any) -> None:
    response = api.send(method, path, **options)
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["exceptionType"] == "Unavailable"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stopped_and_started_again(start_server: Start, database_url: str, running: PostgreSQL, mode: str) -> None:
    server = start_server(*served_on(database_url))
    api = Api(server)
    snapshot = api.snapshot("x = 4", "kept")
    path = api.publish("Stays", "y = x", snapshotId=snapshot, outputParameterDefinitions=Y)
    slow = batch_api.publish_double(api, "Slow", "import time; time.sleep(0.01); y = 2 * x")
    execution = batch_api.start(api, slow, batch_api.numbers(200))
    wait_until(lambda: batch_api.completed(api, execution) > 10)
    running.stop(mode)
    _unavailable(api, "GET", "/snapshots")
    _unavailable(api, "POST", "/login", json={"username": "admin", "password": server.password})
    _unavailable(api, "POST", "/services/New/V1", json={"code": "y = 1"})
    _unavailable(api, "PATCH", "/services/Stays/V1.0", json={"description": "patched"})
    _unavailable(api, "DELETE", "/services/Stays/V1.0")
    # Calls need no database.
    assert api.consume(path)["outputParameters"] == {"y": 4}
    running.start()
    assert [entry["name"] for entry in api.ok("GET", "/snapshots")] == ["kept"]
    wait_until(lambda: api.send("POST", "/services/New/V1", json={"code": "y = 1"}).status_code == 201)
    assert batch_api.outputs(batch_api.complete(api, execution)) == [2 * x for x in range(200)]
    wait_until(lambda: api.send("DELETE", "/services/Stays/V1.0").status_code == 200)
    api.error("POST", path, 404, json={})
    Api(server).ok("GET", "/services")


def test_connections_that_are_ended_are_made_anew(
    start_server: Start, database_url: str, database_name: str, postgresql: PostgreSQL
) -> None:
    api = Api(start_server(*served_on(database_url)))
    for _ in range(3):
        api.ok("GET", "/snapshots")
        (ended,) = postgresql.query(
            database_name,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'jupyter_deployr' "
            "AND datname = current_database()",
        )
        assert ended[0] >= 1
        api.ok("GET", "/snapshots")


def test_what_is_locked_is_waited_for_so_long(start_server: Start, database_url: str, postgresql: PostgreSQL) -> None:
    api = Api(start_server(*served_on(database_url)))
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE snapshots IN ACCESS EXCLUSIVE MODE")
        _unavailable(api, "GET", "/snapshots")
    assert api.ok("GET", "/snapshots") == []


def test_a_database_that_does_nothing_any_more(start_server: Start, database_url: str, running: PostgreSQL) -> None:
    api = Api(start_server(*served_on(f"{database_url}?connect_timeout=2")))
    path = api.publish("Calm", "y = 1")
    running.freeze()
    try:
        _unavailable(api, "GET", "/snapshots")
        assert api.consume(path)["success"]
    finally:
        running.thaw()
    assert api.ok("GET", "/snapshots") == []


@pytest.mark.parametrize(
    ("method", "statement", "once_more", "found"),
    [
        ("POST", b"INSERT INTO versions", 409, ["New", "Old"]),
        ("PATCH", b"UPDATE versions", 200, ["Old"]),
        ("DELETE", b"DELETE FROM versions", 404, []),
    ],
)
def test_the_word_of_a_commit_is_lost(
    start_server: Start,
    database_url: str,
    postgresql: PostgreSQL,
    method: str,
    statement: bytes,
    once_more: int,
    found: list[str],
) -> None:
    with CuttingProxy(postgresql.port) as proxy:
        api = Api(start_server(*served_on(database_url.replace(f":{postgresql.port}/", f":{proxy.port}/"))))
        old = api.publish("Old", "y = 1", "V1", outputParameterDefinitions=Y)
        path = "/services/New/V1" if method == "POST" else "/services/Old/V1"
        body = {"code": "y = 2", "outputParameterDefinitions": Y}
        proxy.arm(statement)
        _unavailable(api, method, path, json=body)
        assert proxy.cut.is_set()
        # It was done, and the next change waits until the server knows.
        assert api.send(method, path, json=body).status_code == once_more
        assert sorted(each["name"] for each in api.ok("GET", "/services")) == found
        if method != "DELETE":
            wait_until(lambda: api.consume(path.replace("services", "api"))["outputParameters"] == {"y": 2})
        else:
            api.error("POST", old, 404, json={})


def test_the_word_of_a_batchs_results_is_lost(start_server: Start, database_url: str, postgresql: PostgreSQL) -> None:
    with CuttingProxy(postgresql.port) as proxy:
        api = Api(start_server(*served_on(database_url.replace(f":{postgresql.port}/", f":{proxy.port}/"))))
        path = batch_api.publish_double(api, "Batched")
        proxy.arm(b"INSERT INTO batch_results")
        execution = batch_api.start(api, path, batch_api.numbers(30))
        assert batch_api.outputs(batch_api.complete(api, execution)) == [2 * x for x in range(30)]
        assert proxy.cut.is_set()


def test_a_batch_that_was_kept_is_run(start_server: Start, database_url: str, postgresql: PostgreSQL) -> None:
    with CuttingProxy(postgresql.port) as proxy:
        api = Api(start_server(*served_on(database_url.replace(f":{postgresql.port}/", f":{proxy.port}/"))))
        path = batch_api.publish_double(api, "Batched")
        proxy.arm(b"INSERT INTO batch_inputs")
        _unavailable(api, "POST", f"{path}/batch", json=batch_api.numbers(30))
        assert proxy.cut.is_set()
        (execution,) = api.ok("GET", f"{path}/batch")
        found = batch_api.complete(api, f"{path}/batch/{execution}")
        assert batch_api.outputs(found) == [2 * x for x in range(30)]
