"""The server on a real PostgreSQL: all that it keeps, also when it is killed in between."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from jupyter_deployr.protocol.errors import Conflict
from jupyter_deployr.webnode.store import (
    Account,
    AccountStore,
    Database,
    StoredVersion,
    TokenFamily,
    TokenFamilyStore,
    VersionStore,
)
from tests import postgresql as cluster
from tests import server_process
from tests.api import Api, definitions
from tests.postgresql import PostgreSQL, served_on
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode import batch_api
from tests.webnode.data_directory import blobs

Start = Callable[..., ServerProcess]

Y = definitions(y="integer")


@pytest.fixture(scope="module")
def server(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that logs everything, on a database that was empty."""
    url = postgresql.new_database("shared")
    started = server_process.start(tmp_path_factory.mktemp("postgresql"), *served_on(url), "--debug")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Api:
    """That server, spoken to as its administrator."""
    return Api(server)


def _user(home: Path, url: str, *words: str, password: str = "") -> subprocess.CompletedProcess[str]:
    """Run `jupyter deployr user …` on a database."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter_deployr",
            "user",
            *words,
            "--data-dir",
            str(home / "deployr"),
            "--database",
            url,
        ],
        env=server_process.environment(home),
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# ----------------------------------------------------------------------------------------------------- all that is kept


def test_status_names_it(api: Api) -> None:
    components = api.ok("GET", "/status")
    assert components["components"]["database"]["details"]["type"] == "postgresql"


def test_tokens_are_renewed_once(api: Api, server: ServerProcess) -> None:
    other = Api(server)
    pair = other.ok("POST", "/login/refreshToken", json={"refreshToken": other.tokens["refresh_token"]})
    other.error("GET", "/services", 401)
    other.http.headers["Authorization"] = f"Bearer {pair['access_token']}"
    other.ok("GET", "/services")
    # Who uses the first one again ends the sign-in.
    other.error("POST", "/login/refreshToken", 401, json={"refreshToken": other.tokens["refresh_token"]})
    other.error("GET", "/services", 401)
    other.error("POST", "/login/refreshToken", 401, json={"refreshToken": pair["refresh_token"]})
    api.ok("GET", "/services")


def test_accounts_by_the_command_line(api: Api, server: ServerProcess, postgresql: PostgreSQL) -> None:
    home, url = server.data_dir.parent, postgresql.url("shared")
    added = _user(home, url, "add", "ann", "--role", "contributor", password=server.password)
    assert (added.returncode, added.stdout) == (0, "Added ann, Contributor.\n"), added.stderr
    again = _user(home, url, "add", "ann", "--role", "reader", password=server.password)
    assert again.returncode != 0
    assert again.stderr.count("\n") == 1
    assert _user(home, url, "list").stdout == "admin  Owner\nann    Contributor\n"
    ann = Api(server, "ann")
    path = ann.publish("Anns", "y = 1")
    assert _user(home, url, "remove", "ann").stdout == "Removed ann.\n"
    wait_until(lambda: ann.send("POST", path, json={}).status_code == 401, 10)
    assert api.consume(path)["success"]


def test_a_version_from_a_session_to_its_end(api: Api, server: ServerProcess, postgresql: PostgreSQL) -> None:
    snapshot = api.snapshot("x = 4\nunkept = (i for i in ())", "first")
    (listed,) = api.ok("GET", "/snapshots")
    assert (listed["id"], listed["name"]) == (snapshot, "first")
    members: dict[str, Any] = {
        "inputParameterDefinitions": [{"name": "a", "type": "integer", "minimum": 0, "description": "größer als 0 ☃"}],
        "outputParameterDefinitions": Y,
        "description": "a \N{SNOWMAN} and an \\u0000",
    }
    path = api.publish("Life", "y = x + a", snapshotId=snapshot, **members)
    api.error("POST", "/services/Life/V1.0", 409, json={"code": "y = 1"})
    assert api.consume(path, a=3)["outputParameters"] == {"y": 7}
    (metadata,) = api.ok("GET", "/services/Life/V1.0")
    assert metadata["description"] == members["description"]
    assert metadata["inputParameterDefinitions"][0]["description"] == "größer als 0 ☃"
    api.ok("PATCH", "/services/Life/V1.0", json={"code": "y = x * a"})
    assert api.consume(path, a=3)["outputParameters"] == {"y": 12}
    api.ok("DELETE", f"/snapshots/{snapshot}")
    assert api.consume(path, a=2)["outputParameters"] == {"y": 8}
    api.ok("DELETE", "/services/Life/V1.0")
    api.error("POST", path, 404, json={"a": 1})
    wait_until(lambda: blobs(server.data_dir) == {d for (d,) in postgresql.query("shared", cluster.DIGESTS)})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/services/Nul/V1", {"code": "y = 1", "description": "a\0b"}),
        ("POST", "/services/Nul/V2", {"code": "y = 1", "operationId": "a" * 300}),
        ("GET", "/snapshots/a%00b", None),
    ],
)
def test_text_that_it_cannot_keep(api: Api, method: str, path: str, body: object) -> None:
    assert "can't keep" in api.error(method, path, 400, json=body)["message"]
    assert not [each for each in api.ok("GET", "/services") if each["name"] == "Nul"]


def test_a_name_that_it_cannot_keep_is_no_account(api: Api) -> None:
    response = api.send("POST", "/login", json={"username": "a\0b", "password": "wrong"})
    assert response.status_code in (400, 401)


def test_a_batch_with_files(api: Api) -> None:
    path = batch_api.publish_double(
        api, "Batched", "y = 2 * x\nopen('f.bin', 'wb').write(b'\\0\\xff' * int(x))", outputFileNames=["f.bin"]
    )
    execution = batch_api.start(api, path, batch_api.numbers(50))
    assert batch_api.outputs(batch_api.complete(api, execution)) == [2 * x for x in range(50)]
    assert api.send("GET", f"{execution}/7/files/f.bin").content == b"\0\xff" * 7
    api.ok("DELETE", execution)
    api.error("GET", execution, 404)


def test_the_password_is_nowhere(api: Api, server: ServerProcess, postgresql: PostgreSQL) -> None:
    answers = [api.send("GET", path) for path in ("/status", "/services", "/openapi.json", "/healthz")]
    seen = api.execute(api.session(), "import os; print(dict(os.environ))")["consoleOutput"]
    home = server.data_dir.parent
    files = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    everything = b"".join([*files, *(answer.content for answer in answers), seen.encode()])
    assert b"DeployR" in everything or b"jupyter_deployr" in everything
    assert [text for text in (cluster.PASSWORD, cluster.ENCODED_PASSWORD) if text.encode() in everything] == []


# ------------------------------------------------------------------------------------------------- killed in the middle


def _snapshot(api: Api, ids: dict[str, str]) -> None:
    session = api.session()
    api.execute(session, "x = 4")
    api.send("POST", f"/sessions/{session}/snapshot", json={"name": "fourth"})


def _publish(api: Api, ids: dict[str, str]) -> None:
    body = {"code": "y = x + 20", "snapshotId": ids["second"], "outputParameterDefinitions": Y}
    api.send("POST", "/services/New/V1", json=body)


def _patch(api: Api, ids: dict[str, str]) -> None:
    body = {"code": "y = x + 30", "snapshotId": ids["second"], "description": "patched"}
    api.send("PATCH", "/services/Old/V1", json=body)


# What is asked for, the points before and after its commit, and what there is after it.
STEPS: list[tuple[Callable[[Api, dict[str, str]], object], str | None, str, dict[str, Any]]] = [
    (
        _snapshot,
        "snapshot.before_commit",
        "snapshot.committed",
        {"snapshots": {"first", "second", "third", "fourth"}},
    ),
    (
        _publish,
        "publish.before_commit",
        "publish.committed",
        {"versions": {"Old": (None, 11), "New": (None, 22)}},
    ),
    (_patch, None, "patch.committed", {"versions": {"Old": ("patched", 32), "New": (None, 22)}}),
    (
        lambda api, _: api.send("DELETE", "/services/New/V1"),
        None,
        "delete.committed",
        {"versions": {"Old": ("patched", 32)}},
    ),
    (
        lambda api, ids: api.send("DELETE", f"/snapshots/{ids['third']}"),
        None,
        "snapshot_delete.committed",
        {"snapshots": {"first", "second", "fourth"}},
    ),
]


def _facts(api: Api) -> dict[str, Any]:
    versions = {}
    for service in api.ok("GET", "/services"):
        assert service["broken"] is None
        answer = api.consume(f"/api/{service['name']}/V1")
        versions[service["name"]] = service["description"], answer["outputParameters"].get("y")
    return {"snapshots": {entry["name"] for entry in api.ok("GET", "/snapshots")}, "versions": versions}


def test_killed_around_each_commit(
    start_server: Start, database_url: str, database_name: str, postgresql: PostgreSQL
) -> None:
    server = start_server(*served_on(database_url))
    api = Api(server)
    ids = {each: api.snapshot(f"x = {x}", each) for x, each in enumerate(("first", "second", "third"), 1)}
    api.publish("Old", "y = x + 10", "V1", snapshotId=ids["first"], outputParameterDefinitions=Y)
    expected: dict[str, Any] = {"snapshots": {"first", "second", "third"}, "versions": {"Old": (None, 11)}}
    server.terminate()
    for operation, before, after, expected_after in STEPS:
        for point in filter(None, (before, after)):
            server = start_server(*served_on(database_url), DEPLOYR_FAIL_AT=point)
            api = Api(server)
            assert _facts(api) == expected, f"before {point}"
            with pytest.raises(requests.ConnectionError):
                operation(api, ids)
            assert server.process.wait(10) == -signal.SIGKILL
        expected = expected | expected_after
    server = start_server(*served_on(database_url))
    assert _facts(Api(server)) == expected
    assert blobs(server.data_dir) == {digest for (digest,) in postgresql.query(database_name, cluster.DIGESTS)}


def test_a_batch_goes_on_after_a_kill(
    start_server: Start, database_url: str, database_name: str, postgresql: PostgreSQL
) -> None:
    server = start_server(*served_on(database_url))
    api = Api(server)
    path = batch_api.publish_double(api, "Slow", "import time; time.sleep(0.02); y = 2 * x")
    execution = batch_api.start(api, path, batch_api.numbers(100))
    wait_until(lambda: batch_api.completed(api, execution) > 10)
    server.kill()
    api = Api(start_server(*served_on(database_url)))
    assert batch_api.outputs(batch_api.complete(api, execution)) == [2 * x for x in range(100)]
    assert postgresql.query(database_name, "SELECT count(*), count(DISTINCT turn) FROM batch_results") == [(100, 100)]


# ------------------------------------------------------------------------------------------------------ changes at once


def test_one_of_many_at_once_wins(database_url: str) -> None:
    database = Database(database_url)
    versions, accounts = VersionStore(database), AccountStore(database)
    families = TokenFamilyStore(database)
    families.add(family := TokenFamily("f", "ann", "a0", "h0", 2.0, 2.0), 1.0)
    stored = StoredVersion("X", "V1", "ann", 1.0, None, None, "y = 1", None, (), (), (), None, None)

    def attempt(action: Callable[[], object]) -> bool:
        try:
            return action() is not False
        except Conflict:
            return False

    races: list[Callable[[int], object]] = [
        lambda _: versions.add(stored),
        lambda _: accounts.add(Account("ann", "hash", "Owner", False)),
        lambda turn: families.rotate(family, f"a{turn}", f"h{turn}", 2.0),
    ]
    with ThreadPoolExecutor(8) as threads:
        for race in races:
            won = list(threads.map(lambda turn, race=race: attempt(lambda: race(turn)), range(1, 9)))
            assert won.count(True) == 1
    database.close()
