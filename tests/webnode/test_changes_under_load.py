"""Versions and snapshots that are changed and deleted while something runs on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import server_process
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.data_directory import blobs, digest_of, referenced

Start = Callable[..., ServerProcess]

Y = definitions(y="integer")


@contextmanager
def _together(count: int) -> Iterator[Callable[..., Future[Any]]]:
    """Run things at the same time, in threads; what they raise is raised."""
    with ThreadPoolExecutor(count) as threads:
        begun: list[Future[Any]] = []

        def run(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
            begun.append(threads.submit(work, *arguments))
            return begun[-1]

        yield run
        for each in begun:
            each.result()


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with one worker per version, so that calls wait for each other."""
    running = server_process.start(tmp_path_factory.mktemp("one_worker"), "--ServeApp.workers=1")
    yield running
    running.stop()


ISOLATIONS = ("namespace", "reload", "process")


def _slow(begun: Path) -> str:
    """Code that says that it has begun, waits, and answers x; or ends its process."""
    return f"import os, time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(0.3)\nif die: os._exit(1)\ny = x"


def _publish_slow(api: Api, name: str, begun: Path, isolation: str, value: int) -> str:
    return api.publish(
        name,
        _slow(begun),
        snapshotId=api.snapshot(f"x = {value}"),
        isolation=isolation,
        inputParameterDefinitions=definitions(die="logical"),
        outputParameterDefinitions=Y,
    )


def _drop_snapshots(api: Api) -> None:
    for entry in api.ok("GET", "/snapshots"):
        api.ok("DELETE", f"/snapshots/{entry['id']}")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_calls_that_have_begun_or_wait_end_on_what_was_deleted(
    one_worker: ServerProcess, tmp_path: Path, isolation: str
) -> None:
    api = Api(one_worker)
    name, begun = f"Deleted-{isolation}", tmp_path / "begun"
    path = _publish_slow(api, name, begun, isolation, 7)
    digest = digest_of(one_worker.data_dir, name)
    _drop_snapshots(api)
    with _together(4) as run:
        calls = [run(lambda: api.send("POST", path, json={"die": False})) for _ in range(4)]
        wait_until(begun.exists)
        before = time.monotonic()
        api.ok("DELETE", f"/services/{name}/V1.0")
        assert time.monotonic() - before < 1, "the deletion waits for calls"
        api.error("POST", path, 404, json={"die": False})
        assert [call.result().json()["outputParameters"] for call in calls] == [{"y": 7}] * 4
    wait_until(lambda: digest not in blobs(one_worker.data_dir))


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_calls_that_have_begun_or_wait_end_on_what_was_patched(
    one_worker: ServerProcess, tmp_path: Path, isolation: str
) -> None:
    api = Api(one_worker)
    name, begun = f"Patched-{isolation}", tmp_path / "begun"
    path = _publish_slow(api, name, begun, isolation, 7)
    old = digest_of(one_worker.data_dir, name)
    with _together(4) as run:
        calls = [run(lambda: api.send("POST", path, json={"die": False})) for _ in range(4)]
        wait_until(begun.exists)
        api.ok("PATCH", f"/services/{name}/V1.0", json={"snapshotId": api.snapshot("x = 8"), "code": "y = x * 10"})
        assert api.consume(path, die=False)["outputParameters"] == {"y": 80}
        answers = [call.result().json()["outputParameters"]["y"] for call in calls]
    # Wholly old, or, where a call came late, wholly new.
    assert set(answers) <= {7, 80}
    assert answers.count(7) >= 1
    _drop_snapshots(api)
    wait_until(lambda: old not in blobs(one_worker.data_dir))
    assert api.consume(path, die=False)["outputParameters"] == {"y": 80}


def test_a_worker_lost_while_its_version_is_being_deleted_is_replaced(
    one_worker: ServerProcess, tmp_path: Path
) -> None:
    api = Api(one_worker)
    begun = tmp_path / "begun"
    path = _publish_slow(api, "Lost", begun, "namespace", 7)
    with _together(4) as run:
        dying = run(lambda: api.send("POST", path, json={"die": True}))
        wait_until(begun.exists)
        waiting = [run(lambda: api.send("POST", path, json={"die": False})) for _ in range(3)]
        api.ok("DELETE", "/services/Lost/V1.0")
        assert dying.result().status_code == 502
        assert [call.result().json().get("outputParameters") for call in waiting] == [{"y": 7}] * 3


def test_a_call_that_waits_for_the_first_worker_outlives_its_version(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    api = Api(server)
    begun = tmp_path / "begun"
    init = f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(0.5)"
    path = api.publish("First", "y = 1", initCode=init, outputParameterDefinitions=Y)
    server.terminate()
    begun.unlink()
    # After a restart, the workers of a version start with its first call.
    api = Api(start_server())
    with _together(1) as run:
        call = run(lambda: api.send("POST", path, json={}))
        wait_until(begun.exists)
        api.ok("DELETE", "/services/First/V1.0")
        assert call.result().json()["outputParameters"] == {"y": 1}


def test_a_snapshot_deleted_while_a_session_loads_it(one_worker: ServerProcess, tmp_path: Path) -> None:
    api = Api(one_worker)
    begun = tmp_path / "begun"
    code = f"""
class Slow:
    def __setstate__(self, state):
        import time
        open({str(begun)!r}, "w").close()
        time.sleep(0.5)
slow = Slow()
slow.state = 1
import numpy as np
after = np.arange(100_000)
"""
    _drop_snapshots(api)
    snapshot = api.snapshot(code)
    (digest,) = referenced(one_worker.data_dir) & {
        digest for digest in blobs(one_worker.data_dir) if digest not in _versions(api, one_worker)
    }
    begun.unlink()  # as it was loaded on trial
    session = api.session()
    with _together(1) as run:
        loading = run(lambda: api.send("POST", f"/sessions/{session}/loadsnapshot/{snapshot}"))
        wait_until(begun.exists)
        api.ok("DELETE", f"/snapshots/{snapshot}")
        assert loading.result().ok, loading.result().text
    assert api.execute(session, "int(after[-1])")["consoleOutput"] == "99999\n"
    api.error("POST", f"/sessions/{session}/loadsnapshot/{snapshot}", 404)
    api.snapshot("x = 0")
    _drop_snapshots(api)
    wait_until(lambda: digest not in blobs(one_worker.data_dir))


def _versions(api: Api, server: ServerProcess) -> set[str]:
    return {digest_of(server.data_dir, service["name"]) for service in api.ok("GET", "/services")}


def test_of_two_publishes_at_once_one_wins(api: Api) -> None:
    body = {"code": "y = 1", "outputParameterDefinitions": Y}
    for path in (f"Race/V{round_}" for round_ in range(5)):
        with _together(2) as run:
            sent = [run(lambda path=path: api.send("POST", f"/services/{path}", json=body)) for _ in range(2)]
            assert sorted(each.result().status_code for each in sent) == [201, 409]
        assert api.consume(f"/api/{path}")["outputParameters"] == {"y": 1}


def test_publish_and_delete_at_once(api: Api) -> None:
    body = {"code": "y = 1", "outputParameterDefinitions": Y}
    for _ in range(5):
        with _together(2) as run:
            published = run(lambda: api.send("POST", "/services/Both/V1", json=body))
            deleted = run(lambda: api.send("DELETE", "/services/Both/V1"))
            assert published.result().status_code == 201
            gone = deleted.result().status_code
            assert gone in (200, 404, 409)
        there = api.send("POST", "/api/Both/V1", json={})
        assert there.status_code == (404 if gone == 200 else 200)
        if gone != 200:
            api.ok("DELETE", "/services/Both/V1")


def test_each_answer_is_wholly_of_one_version_while_it_is_patched(api: Api) -> None:
    kinds = [{"snapshotId": api.snapshot(f"x = {n}"), "code": f"y = [x, {n}]"} for n in (1, 2)]
    path = api.publish("Switched", **kinds[0], outputParameterDefinitions=definitions(y="vector"))
    done = threading.Event()
    answers: list[requests.Response] = []

    def consume() -> None:
        mine = requests.Session()
        mine.trust_env = False
        while not done.is_set():
            answers.append(mine.post(api.url + path, json={}, headers=dict(api.http.headers), timeout=60))
        mine.close()

    with _together(3) as run:
        for _ in range(3):
            run(consume)
        try:
            for turn in range(8):
                api.ok("PATCH", "/services/Switched/V1.0", json=kinds[(turn + 1) % 2])
                seen = len(answers)
                wait_until(lambda seen=seen: len(answers) > seen + 5)
        finally:
            done.set()
    assert {answer.status_code for answer in answers} == {200}
    found = [tuple(answer.json()["outputParameters"]["y"]) for answer in answers]
    assert set(found) == {(1, 1), (2, 2)}


def test_nothing_acknowledged_is_ever_broken(start_server: Start) -> None:
    """Equal contents come and go at the same time: each is one file, which is always there for whom it was promised."""
    server = start_server()
    api = Api(server)
    session = api.session()
    api.execute(session, "x = 1")
    until = time.monotonic() + 5
    shared: list[str] = []
    rounds = [0] * 4

    def own(number: int) -> None:
        mine = Api(server)
        while time.monotonic() < until:
            snapshot = mine.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
            name = f"Own-{number}"
            path = mine.publish(name, "y = x", snapshotId=snapshot, outputParameterDefinitions=Y)
            mine.ok("DELETE", f"/snapshots/{snapshot}")
            assert mine.consume(path)["outputParameters"] == {"y": 1}
            mine.ok("DELETE", f"/services/{name}/V1.0")
            rounds[number] += 1

    def come_and_go() -> None:
        mine = Api(server)
        while time.monotonic() < until:
            shared.append(mine.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"])
            mine.ok("DELETE", f"/snapshots/{shared[-1]}")

    def from_shared() -> None:
        mine = Api(server)
        while time.monotonic() < until:
            if not shared:
                continue
            body = {"code": "y = x", "snapshotId": shared[-1], "outputParameterDefinitions": Y}
            made = mine.send("POST", "/services/Shared/V1", json=body)
            assert made.status_code in (201, 404), made.text
            if made.ok:
                assert mine.consume("/api/Shared/V1")["outputParameters"] == {"y": 1}
                mine.ok("DELETE", "/services/Shared/V1")
                rounds[3] += 1

    with _together(4) as run:
        for number in range(2):
            run(own, number)
        run(come_and_go)
        run(from_shared)
    assert all(rounds[:2])
    wait_until(lambda: blobs(server.data_dir) == referenced(server.data_dir) == set())
