"""The log of a version over HTTP: which failures are in it, what of them, for whom, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, definitions
from tests.server_process import ServerProcess

NOTES = """
class Odd(Exception):
    @property
    def __notes__(self):
        raise SystemExit
raise Odd("odd")
"""
LONG = "print('x' * 100_000 + 'the end')\nraise ValueError('é' * 100_000)"


@dataclass(frozen=True)
class Case:
    """Code that fails: the status of the call, and what the log has of it."""

    code: str
    message: str
    traceback: list[str] = field(default_factory=list)
    console: str = ""
    status: int = 200
    members: dict[str, Any] = field(default_factory=dict)


RAISING = Case("print('before')\ndef f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero")
FRAMES = ["Traceback (most recent call last)", "line 4, in <module>", "line 3, in f", "1 / 0", "ZeroDivisionError"]
NO_OUTPUT = {"outputParameterDefinitions": definitions(y="numeric")}

FAILURES = {
    "raises": Case(RAISING.code, RAISING.message, FRAMES, "before\n"),
    "raises in a process of its own": Case(
        RAISING.code, RAISING.message, FRAMES, "before\n", members={"isolation": "process"}
    ),
    "raises after a reload": Case(RAISING.code, RAISING.message, FRAMES, "before\n", members={"isolation": "reload"}),
    "exits": Case("import sys; sys.exit('enough')", "SystemExit: enough", ["SystemExit: enough"]),
    "no output": Case("print('so far')", "y", [], "so far\n", members=NO_OUTPUT),
    "unfit output": Case("y = 'text'", "y", members=NO_OUTPUT),
    "can't be told": Case(NOTES, "Odd: odd", ["can't be shown"]),
    "tells much": Case(LONG, "ValueError: é", ["(cut) …", "é" * 1000], "the end\n"),
    "ends": Case("import os; os._exit(3)", "exit code 3", status=502),
    "ends in a process of its own": Case(
        "import os; os._exit(3)", "exit code 3", status=502, members={"isolation": "process"}
    ),
    "crashes": Case("import ctypes; ctypes.string_at(0)", "SIGSEGV", status=502),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_in_the_log(name: str, api: Api) -> None:
    case, service = FAILURES[name], "Failing" + name.title().replace(" ", "").replace("'", "")
    response = api.send("POST", api.publish(service, case.code, **case.members), json={})
    assert response.status_code == case.status
    (entry,) = api.ok("GET", f"/services/{service}/V1.0/log")["entries"]
    assert entry["requestId"] == response.headers["x-request-id"]
    assert entry["status"] == case.status
    assert entry["time"]
    assert case.message in entry["errorMessage"]
    assert [part for part in case.traceback if part not in entry["traceback"]] == []
    assert bool(entry["traceback"]) is bool(case.traceback)
    assert entry["consoleOutput"].endswith(case.console)
    assert bool(entry["consoleOutput"]) is bool(case.console)
    assert len(response.text) < 2_000_000
    assert len(str(entry)) < 30_000
    # The consumer gets nothing of it beyond what the API has always had.
    assert "raceback" not in response.text
    if case.status == 200:
        assert list(response.json()) == [
            "success",
            "errorMessage",
            "consoleOutput",
            "changedFiles",
            "outputFiles",
            "outputParameters",
        ]
        assert response.json()["errorMessage"][:1000] == entry["errorMessage"][:1000]


def test_a_version_that_can_t_be_loaded_any_more_is_in_the_log(api: Api, tmp_path: Path) -> None:
    needed = tmp_path / "needed.txt"
    needed.write_text("1")
    path = api.publish("Needing", "y = 1", initCode=f"print('init')\nopen({str(needed)!r}).read()")
    needed.unlink()
    api.ok("DELETE", "/services/Needing/V1.0/pool")
    response = api.send("POST", path, json={})
    assert response.status_code == 503
    (entry,) = api.ok("GET", "/services/Needing/V1.0/log")["entries"]
    assert (entry["requestId"], entry["status"]) == (response.headers["x-request-id"], 503)
    assert "FileNotFoundError" in entry["traceback"]


NOT_LOGGED: dict[str, dict[str, Any]] = {
    "good": {"json": {"x": 1}},
    "no input": {"json": {}},
    "unknown input": {"json": {"x": 1, "z": 2}},
    "no JSON": {"data": b"{", "headers": {"Content-Type": "application/json"}},
    "no token": {"json": {"x": 1}, "headers": {"Authorization": "Bearer nonsense"}},
}


@pytest.mark.parametrize("name", NOT_LOGGED)
def test_what_is_no_failure_of_the_version_is_not_in_the_log(name: str, api: Api) -> None:
    version = name.replace(" ", "-")
    path = api.publish("Faultless", "y = x", version, inputParameterDefinitions=definitions(x="numeric"))
    api.send("POST", path, **NOT_LOGGED[name])
    assert api.ok("GET", f"/services/Faultless/{version}/log")["entries"] == []


def test_neither_inputs_nor_tokens_are_in_the_log(api: Api) -> None:
    path = api.publish("Discreet", "raise ValueError(len(x))", inputParameterDefinitions=definitions(x="character"))
    assert not api.consume(path, x="canary-in-an-input")["success"]
    text = api.send("GET", "/services/Discreet/V1.0/log").text
    assert "ValueError: 18" in text
    assert "canary" not in text
    assert api.tokens["access_token"][:40] not in text


def test_the_log_goes_on_after_a_cursor(api: Api) -> None:
    path = api.publish("Cursed", "raise ValueError(x)", inputParameterDefinitions=definitions(x="integer"))
    log = "/services/Cursed/V1.0/log"

    def after(cursor: str | None) -> tuple[list[str], int | None, str]:
        answer = api.ok("GET", log, params={} if cursor is None else {"after": cursor})
        return [entry["errorMessage"] for entry in answer["entries"]], answer["dropped"], answer["cursor"]

    begin = after(None)
    assert begin[:2] == ([], 0)
    assert after(begin[2]) == begin
    for number in range(2):
        api.consume(path, x=number)
    found, dropped, middle = after(begin[2])
    assert (found, dropped) == (["ValueError: 0", "ValueError: 1"], 0)
    api.consume(path, x=2)
    assert after(middle)[:2] == (["ValueError: 2"], 0)
    assert after(None)[0] == after("nonsense")[0] == ["ValueError: 0", "ValueError: 1", "ValueError: 2"]
    for strange in ("nonsense", "0" * 12 + "-1", middle + "²", middle + "9" * 5000):
        assert after(strange)[1] is None
    # It outlives a patch, and a version that is published anew begins a new one.
    api.ok("PATCH", "/services/Cursed/V1.0", json={"code": "raise KeyError(x)"})
    api.consume(path, x=3)
    found, dropped, last = after(middle)
    assert (found, dropped) == (["ValueError: 2", "KeyError: 3"], 0)
    api.ok("DELETE", "/services/Cursed/V1.0")
    api.error("GET", log, 404)
    api.publish("Cursed", "y = 1")
    assert after(last)[:2] == ([], None)


@pytest.mark.parametrize(("code", "most"), [("raise ValueError", 100), (LONG, 20)], ids=["many", "large"])
def test_the_log_is_bounded(code: str, most: int, api: Api) -> None:
    name = f"Bounded{most}"
    path = api.publish(name, code)
    begin = api.ok("GET", f"/services/{name}/V1.0/log")["cursor"]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: api.consume(path), range(130)))
    answer = api.ok("GET", f"/services/{name}/V1.0/log", params={"after": begin})
    assert 5 < len(answer["entries"]) <= most
    assert answer["dropped"] == 130 - len(answer["entries"])


def test_a_restart_begins_a_new_log(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    api = Api(server)
    api.consume(api.publish("Restarted", "raise ValueError"))
    cursor = api.ok("GET", "/services/Restarted/V1.0/log")["cursor"]
    server.terminate()
    answer = Api(start_server()).ok("GET", "/services/Restarted/V1.0/log", params={"after": cursor})
    assert (answer["entries"], answer["dropped"]) == ([], None)


def test_the_log_of_what_is_not_there(api: Api) -> None:
    assert api.error("GET", "/services/Nowhere/V1.0/log", 404)["exceptionType"] == "NotFound"
