"""The figures of a version over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until

COUNTED = ("calls", "userErrors", "clientErrors", "serverErrors")


def stats(api: Api, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.ok("GET", f"/services/{name}/V1.0/stats")
    return answer


def test_a_version_without_calls(api: Api) -> None:
    api.publish("Uncalled", "y = 1")
    answer = stats(api, "Uncalled")
    assert (answer["name"], answer["version"]) == ("Uncalled", "V1.0")
    assert [answer[name] for name in COUNTED] == [0, 0, 0, 0]
    assert answer["latency"] == {"p50": None, "p90": None, "p99": None}
    assert answer["waiting"] == 0
    assert answer["workers"]["size"] == 2
    assert all(minute["calls"] == 0 for minute in answer["minutes"])


def test_the_minutes_of_the_last_hour(api: Api) -> None:
    api.publish("Minutes", "y = 1")
    begins = [datetime.fromisoformat(minute["time"]) for minute in stats(api, "Minutes")["minutes"]]
    assert len(begins) == 60
    assert {later - earlier for earlier, later in itertools.pairwise(begins)} == {timedelta(minutes=1)}
    assert timedelta(0) <= datetime.now() - begins[-1] < timedelta(minutes=1, seconds=5)  # noqa: DTZ005


# The kind of calls, the code, what each is sent, and where it is counted.
KINDS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "good": ("y = x", {"x": 1}, None),
    "raising": ("raise ValueError", {"x": 1}, "userErrors"),
    "unfit input": ("y = x", {"x": "text"}, "clientErrors"),
    "ending": ("import os; os._exit(1)", {"x": 1}, "serverErrors"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_calls_are_counted_by_how_they_end(kind: str, api: Api) -> None:
    code, inputs, counted = KINDS[kind]
    name = "Counted" + kind.replace(" ", "")
    path = api.publish(name, code, inputParameterDefinitions=definitions(x="numeric"))
    for _ in range(3):
        api.send("POST", path, json=inputs)
    # What doesn't reach the version is nobody's call.
    api.send("GET", path)
    api.send("POST", path, json=inputs, headers={"Authorization": "Bearer nonsense"})
    answer = stats(api, name)
    expected = {"calls": 3, "userErrors": 0, "clientErrors": 0, "serverErrors": 0} | ({counted: 3} if counted else {})
    assert {member: answer[member] for member in COUNTED} == expected
    for member in COUNTED:
        assert sum(minute[member] for minute in answer["minutes"]) == expected[member]
    assert answer["workers"]["lost"] == (3 if kind == "ending" else 0)
    assert answer["workers"]["started"] >= 1


def test_latencies(api: Api) -> None:
    code = "import time; time.sleep(seconds)"
    path = api.publish("StatsSlow", code, inputParameterDefinitions=definitions(seconds="numeric"))
    for seconds in [0.001] * 16 + [0.3] * 4:
        assert api.consume(path, seconds=seconds)["success"]
    latency = stats(api, "StatsSlow")["latency"]
    assert 1 * 0.92 < latency["p50"] < 300
    assert 300 * 0.92 < latency["p90"] <= latency["p99"] < 10_000


def test_the_queue_and_the_workers(api: Api) -> None:
    path = api.publish("StatsQueued", "import time; time.sleep(1.5)")
    with ThreadPoolExecutor(5) as threads:
        calls = [threads.submit(api.consume, path) for _ in range(5)]

        def crowded() -> bool:
            now = stats(api, "StatsQueued")
            return now["waiting"] > 0 and now["workers"]["busy"] == now["workers"]["ready"] == 2

        wait_until(crowded)
        assert all(call.result()["success"] for call in calls)
    after = stats(api, "StatsQueued")
    assert (after["waiting"], after["workers"]["busy"]) == (0, 0)
    # Seen by the look that is taken each second.
    assert max(minute["waiting"] for minute in after["minutes"]) > 0
    assert max(minute["busy"] for minute in after["minutes"]) == 2
    assert max(minute["workers"] for minute in after["minutes"]) == 2


def test_the_figures_outlive_a_patch_but_not_the_version(api: Api) -> None:
    path = api.publish("StatsPatched", "y = 1")
    api.consume(path)
    for change in ({"description": "d"}, {"code": "y = 2"}):
        api.ok("PATCH", "/services/StatsPatched/V1.0", json=change)
        api.consume(path)
    api.ok("DELETE", "/services/StatsPatched/V1.0/pool")
    assert stats(api, "StatsPatched")["calls"] == 3
    api.ok("DELETE", "/services/StatsPatched/V1.0")
    assert api.error("GET", "/services/StatsPatched/V1.0/stats", 404)["exceptionType"] == "NotFound"
    api.publish("StatsPatched", "y = 1")
    assert stats(api, "StatsPatched")["calls"] == 0


def test_a_full_queue_is_counted(start_server: Callable[..., ServerProcess]) -> None:
    api = Api(start_server("--ServeApp.max_queue=1", "--ServeApp.workers=1"))
    path = api.publish("Full", "import time; time.sleep(1)")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: api.send("POST", path, json={}).status_code, range(6)))
    refused = answers.count(503)
    assert refused
    answer = stats(api, "Full")
    assert (answer["calls"], answer["serverErrors"]) == (6, refused)
    # It says nothing of the version.
    assert api.ok("GET", "/services/Full/V1.0/log")["entries"] == []
