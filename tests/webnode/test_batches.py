"""Batch executions over HTTP: started, told of, their files, cancelled, forgotten."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.batch_api import (
    complete,
    completed,
    ended,
    numbers,
    outputs,
    publish_double,
    sign_in_another,
    start,
)
from tests.webnode.data_directory import rows

Start = Callable[..., ServerProcess]

RESULT_MEMBERS = ["success", "errorMessage", "consoleOutput", "changedFiles", "outputFiles", "outputParameters"]


@pytest.fixture(scope="module")
def double(api: Api) -> str:
    return publish_double(api, "BatchDouble")


@pytest.fixture(scope="module")
def writer(api: Api) -> str:
    """Writes x bytes into a file, and x into another; nothing for x = 0."""
    code = """
if x:
    open("big.bin", "wb").write(b"\\x00\\xff" * int(x))
    open('od"d \u00e9\\n.txt', "w").write(str(int(x)))
y = x
"""
    return publish_double(api, "BatchWriter", code, outputFileNames=["big.bin", 'od"d é\n.txt', "never.txt"])


def gated(api: Api, name: str, gate: Path, **members: Any) -> str:
    """A service whose calls leave a mark each and don't end before `gate` is there; x < 0 doesn't wait."""
    code = f"""
import os, pathlib, time
gate = pathlib.Path({str(gate)!r})
if x >= 0:
    gate.with_name(f"begun-{{int(x)}}").touch()
    while not gate.exists(): time.sleep(0.01)
y = 2 * x
"""
    return publish_double(api, name, code, **members)


# ------------------------------------------------------------------------------------------------- the wire's facts


def test_the_requests_of_the_products_python_client_in_their_order(api: Api, writer: str) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    body = json.dumps([{"x": 3}, {"x": 0}])
    started = api.send("POST", f"{writer}/batch", params={"parallelCount": 10}, data=body, headers=headers)
    assert started.status_code == 202
    identity = started.json()["BatchExecutionId"]
    assert started.json() == {"batchExecutionId": identity, "BatchExecutionId": identity}
    assert str(uuid.UUID(identity)) == identity

    where = f"{writer}/batch/{identity}"

    def status() -> Any:
        return api.ok("GET", where, params={"showPartialResult": "true"}, headers=headers)

    wait_until(lambda: status()["state"] == "Complete")
    told = status()
    assert list(told) == ["state", "completedItemCount", "totalItemCount", "errorMessage", "batchExecutionResults"]
    assert (told["completedItemCount"], told["totalItemCount"], told["errorMessage"]) == (2, 2, "")
    first, second = told["batchExecutionResults"]
    assert list(first) == list(second) == RESULT_MEMBERS
    assert first["success"] is True
    assert first["errorMessage"] == ""
    assert first["outputParameters"] == {"y": 3}
    assert set(first["changedFiles"]) == {"big.bin", 'od"d é\n.txt'}
    assert first["outputFiles"] == second["outputFiles"] == {}

    assert api.ok("GET", f"{where}/0/files", headers=headers) == ["big.bin", 'od"d é\n.txt']
    assert api.ok("GET", f"{where}/1/files", headers=headers) == []
    assert api.send("GET", f"{where}/0/files/big.bin", headers=headers).content == b"\x00\xff" * 3
    assert api.ok("GET", f"{writer}/batch", headers=headers) == [identity]
    cancelled = api.ok("DELETE", where, headers={**headers, "Content-Length": "0"})
    assert cancelled == [identity]
    assert api.ok("GET", f"{writer}/batch", headers=headers) == []
    for method, path in (("GET", where), ("DELETE", where), ("GET", f"{where}/0/files")):
        api.error(method, path, 404)


def test_results_are_those_of_calls_at_the_records_positions(api: Api, double: str) -> None:
    records = [{"x": x} for x in (5, 1e400, 3.5, -1)]
    body = json.dumps(records)
    answer = api.ok("POST", f"{double}/batch", 202, data=body)
    results = complete(api, f"{double}/batch/{answer['batchExecutionId']}")
    assert results == [api.ok("POST", double, data=json.dumps(record)) for record in records]
    assert outputs(results) == [10, None, 7, -2]


@pytest.mark.parametrize("count", [None, 1, 3, 1000])
def test_any_number_at_a_time_answers_the_same(api: Api, double: str, count: int | None) -> None:
    query = {} if count is None else {"parallelCount": count}
    assert outputs(complete(api, start(api, double, numbers(300), **query))) == [2 * x for x in range(300)]


def test_no_more_records_at_a_time_than_asked_for(start_server: Start, tmp_path: Path) -> None:
    server = start_server("--ServeApp.workers=4")
    api = Api(server)
    gate = tmp_path / "gate"
    path = gated(api, "Gated", gate)
    execution = start(api, path, numbers(12), parallelCount=3)
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) == 3)
    # Direct calls are answered by the worker that is left.
    for _ in range(3):
        assert api.consume(path, x=-1)["outputParameters"] == {"y": -2}
    assert {mark.name for mark in tmp_path.glob("begun-*")} == {"begun-0", "begun-1", "begun-2"}
    gate.touch()
    assert outputs(complete(api, execution)) == [2 * x for x in range(12)]


def test_a_record_that_fails_fails_alone(api: Api) -> None:
    code = """
import os
print("at", x)
if x == 1: raise ValueError("one")
if x == 2: os._exit(3)
if x == 3: import ctypes; ctypes.string_at(0)
y = "text" if x == 4 else x
"""
    path = publish_double(api, "BatchFails", code)
    records = [{"x": 0}, {"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}, {"x": "5"}, {}, {"x": 7, "z": 1}, {"x": 8}]
    results = complete(api, start(api, path, records))
    assert [result["success"] for result in results] == [True, *[False] * 7, True]
    messages = [result["errorMessage"] for result in results]
    assert messages[1] == "ValueError: one"
    assert results[1]["consoleOutput"] == "at 1\n"
    assert "worker process" in messages[2]
    assert "worker process" in messages[3]
    assert "y" in messages[4]
    assert "x" in messages[5]
    assert "numeric" in messages[5]
    assert "x is missing" in messages[6]
    assert "z" in messages[7]
    assert [list(result) for result in results] == [RESULT_MEMBERS] * len(records)
    assert outputs([results[0], results[8]]) == [0, 8]


def test_partial_results_stand_at_their_positions(api: Api, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    path = gated(api, "BatchPartial", gate)
    execution = start(api, path, [{"x": -1}, {"x": -2}, {"x": 0}, {"x": -3}, {"x": 3}], parallelCount=2)
    wait_until(lambda: completed(api, execution) == 3)
    for query in ({}, {"showPartialResults": "true"}, {"showPartialResult": "True"}):
        status = api.ok("GET", execution, params=query)
        assert status["state"] == "InProgress"
        shown = status["batchExecutionResults"]
        # The fourth has a result, but stands behind one that has none.
        assert outputs(shown) == [-2, -4]
    for query in ({"showPartialResults": "false"}, {"showPartialResult": "false"}):
        status = api.ok("GET", execution, params=query)
        assert status["batchExecutionResults"] == []
        assert (status["completedItemCount"], status["totalItemCount"]) == (3, 5)
    gate.touch()
    wait_until(lambda: api.ok("GET", execution, params={"showPartialResults": "false"})["state"] == "Complete")
    status = api.ok("GET", execution, params={"showPartialResults": "false"})
    assert outputs(status["batchExecutionResults"]) == [-2, -4, 0, -6, 6]


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON array"),
        (b"{}", "JSON array"),
        (b"[]", "no records"),
        (b'[{"x": 1}, 2]', "Record 1"),
        (b'[{"x": 1}, {"x": }]', "Record 1"),
        (b'[{"x": 1}', "doesn't end"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(api: Api, double: str, body: bytes, message: str) -> None:
    before = api.ok("GET", f"{double}/batch")
    assert message in api.error("POST", f"{double}/batch", 400, data=body)["message"]
    assert api.ok("GET", f"{double}/batch") == before


@pytest.mark.parametrize("count", ["0", "-1", "1001", "ten", "1.5", "", "99999999999999999999"])
def test_a_wrong_parallel_count_is_refused(api: Api, double: str, count: str) -> None:
    error = api.error("POST", f"{double}/batch?parallelCount={count}", 400, json=[{"x": 1}])
    assert error["fields"] == "parallelCount"


def test_what_is_not_there_is_not_found(api: Api, double: str) -> None:
    execution = start(api, double, numbers(2))
    complete(api, execution)
    identity = execution.rpartition("/")[2]
    other = publish_double(api, "BatchOtherService")
    paths = [
        ("POST", "/api/BatchNowhere/V1.0/batch"),
        ("GET", "/api/BatchNowhere/V1.0/batch"),
        ("GET", f"/api/BatchNowhere/V1.0/batch/{identity}"),
        ("GET", f"{other}/batch/{identity}"),
        ("DELETE", f"{other}/batch/{identity}"),
        ("GET", f"{double}/batch/{uuid.uuid4()}"),
        ("DELETE", f"{double}/batch/{uuid.uuid4()}"),
        ("GET", f"{double}/batch/1"),
        ("GET", f"{double}/batch/%00"),
        ("GET", f"{execution}/2/files"),
        ("GET", f"{execution}/-1/files"),
        ("GET", f"{execution}/{2**70}/files"),
        ("GET", f"{execution}/0/files/none.txt"),
        ("GET", f"{execution}/0/files/%2e%2e"),
    ]
    for method, path in paths:
        api.error(method, path, 404, json=[{"x": 1}] if method == "POST" else None)
    api.error("GET", f"{execution}/first/files", 400)
    api.error("GET", f"{execution}/0/files/..%2Fadmin-password", 400)
    api.error("GET", f"{execution}?showPartialResults=perhaps", 400)
    assert len(complete(api, execution)) == 2


def test_somebody_elses_execution_is_not_there(server: ServerProcess, api: Api, writer: str) -> None:
    execution = start(api, writer, [{"x": 1}])
    complete(api, execution)
    ann = sign_in_another(server, "ann-of-batches")
    theirs = start(ann, writer, [{"x": 2}])
    complete(ann, theirs)
    # The administrator has the role Owner, and sees no more than anybody else.
    for who, whose in ((ann, execution), (api, theirs)):
        for method, path in (
            ("GET", whose),
            ("GET", f"{whose}/0/files"),
            ("GET", f"{whose}/0/files/big.bin"),
            ("DELETE", whose),
        ):
            who.error(method, path, 404)
    assert ann.ok("GET", f"{writer}/batch") == [theirs.rpartition("/")[2]]
    assert theirs.rpartition("/")[2] not in api.ok("GET", f"{writer}/batch")
    assert ann.send("GET", f"{theirs}/0/files/big.bin").content == b"\x00\xff" * 2


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_nothing_without_a_token(api: Api, double: str, method: str) -> None:
    path = f"{double}/batch" if method != "DELETE" else f"{double}/batch/{uuid.uuid4()}"
    api.error(method, path, 401, headers={"Authorization": "Bearer junk"}, data=b"junk")


def test_limits_of_the_request(start_server: Start) -> None:
    api = Api(start_server("--ServeApp.max_body_bytes=10000", "--ServeApp.max_batch_records=5"))
    path = publish_double(api, "Small")
    assert "5 records" in api.error("POST", f"{path}/batch", 413, json=numbers(6))["message"]
    assert "10,000 bytes" in api.error("POST", f"{path}/batch", 413, data=b"[" + b" " * 10_000)["message"]
    assert api.ok("GET", f"{path}/batch") == []
    assert len(complete(api, start(api, path, numbers(5)))) == 5


# --------------------------------------------------------------------------------------------------------- files


def test_files_come_whole_and_under_a_harmless_header(api: Api, writer: str) -> None:
    size = 3 * 1024 * 1024 // 2 + 1  # times two bytes: parts of a megabyte, and a rest
    execution = start(api, writer, [{"x": size}, {"x": 1}])
    results = complete(api, execution)
    assert "big.bin" in results[0]["changedFiles"]
    whole = api.send("GET", f"{execution}/0/files/big.bin")
    assert whole.content == b"\x00\xff" * size
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"] == "attachment; filename=\"big.bin\"; filename*=UTF-8''big.bin"
    odd = api.send("GET", f"{execution}/1/files/od%22d%20%C3%A9%0A.txt")
    assert odd.content == b"1"
    assert odd.headers["content-disposition"] == (
        "attachment; filename=\"od_d __.txt\"; filename*=UTF-8''od%22d%20%C3%A9%0A.txt"
    )
    api.error("GET", f"{execution}/1/files/never.txt", 404)


# ------------------------------------------------------------------------------------------------------ cancelling


def test_cancelling_leaves_nothing(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    api = Api(server)
    gate = tmp_path / "gate"
    path = gated(api, "Cancelled", gate, outputFileNames=["f"])
    executions = [start(api, path, numbers(50), parallelCount=4) for _ in range(3)]
    wait_until(lambda: list(tmp_path.glob("begun-*")))
    for execution in executions:
        assert api.ok("DELETE", execution) == [execution.rpartition("/")[2]]
        api.error("GET", execution, 404)
    assert api.ok("GET", f"{path}/batch") == []
    gate.touch()
    assert api.consume(path, x=100)["outputParameters"] == {"y": 200}
    # What had begun ended; nothing else ever began.
    assert len(list(tmp_path.glob("begun-*"))) <= 3
    assert rows(server.data_dir, "batch_executions", "batch_inputs", "batch_results", "batch_files") == 0


def test_two_who_cancel_at_once(api: Api, double: str) -> None:
    execution = start(api, double, numbers(2000))
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(api.send("DELETE", execution).status_code)) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert sorted(answers) == [200, 404, 404, 404]


def test_old_executions_are_forgotten_and_running_ones_are_not(start_server: Start, tmp_path: Path) -> None:
    server = start_server("--ServeApp.batch_retention_seconds=1")
    api = Api(server)
    gate = tmp_path / "gate"
    quick, slow = publish_double(api, "Quick"), gated(api, "Slow", gate)
    running = start(api, slow, numbers(1))
    old = start(api, quick, numbers(3))
    wait_until(lambda: api.ok("GET", f"{quick}/batch") == [])
    api.error("GET", old, 404)
    assert completed(api, running) == 0
    gate.touch()
    wait_until(lambda: api.ok("GET", f"{slow}/batch") == [])
    assert rows(server.data_dir, "batch_executions", "batch_inputs", "batch_results", "batch_files") == 0


# ------------------------------------------------------------------------------------------ versions that change


def test_a_batch_goes_on_with_the_version_it_was_started_on(api: Api, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    path = gated(api, "BatchPatched", gate)
    execution = start(api, path, numbers(20), parallelCount=2)
    wait_until(lambda: list(tmp_path.glob("begun-*")))
    api.ok("PATCH", "/services/BatchPatched/V1.0", json={"code": "y = -1"})
    assert api.consume(path, x=1)["outputParameters"] == {"y": -1}
    after = start(api, path, numbers(3))
    assert outputs(complete(api, after)) == [-1, -1, -1]
    gate.touch()
    assert outputs(complete(api, execution)) == [2 * x for x in range(20)]


@pytest.mark.parametrize("parallel_count", [2, 10])
def test_a_batch_of_a_deleted_version_fails_and_keeps_what_is_done(
    api: Api, tmp_path: Path, parallel_count: int
) -> None:
    gate = tmp_path / "gate"
    path = gated(api, "BatchDeleted", gate)
    execution = start(api, path, [{"x": -1}, *numbers(20)], parallelCount=parallel_count)
    wait_until(lambda: completed(api, execution) == 1)
    api.ok("DELETE", "/services/BatchDeleted/V1.0")
    gate.touch()
    status = ended(api, execution)
    assert status["state"] == "Failed"
    assert "BatchDeleted V1.0 was deleted" in status["errorMessage"]
    done = [result for result in status["batchExecutionResults"] if result["success"]]
    (reason,) = {result["errorMessage"] for result in status["batchExecutionResults"] if not result["success"]}
    assert reason.startswith("The record was not run. ")
    assert 1 <= len(done) == status["completedItemCount"] < status["totalItemCount"] == 21
    assert len(status["batchExecutionResults"]) == 21
    assert status["batchExecutionResults"][0]["outputParameters"] == {"y": -2}
    assert api.ok("GET", execution, params={"showPartialResults": "false"})["batchExecutionResults"] == []
    assert api.ok("GET", f"{path}/batch") == [execution.rpartition("/")[2]]
    api.error("POST", f"{path}/batch", 404, json=[{"x": 1}])
    api.ok("DELETE", execution)
    api.error("GET", f"{path}/batch", 404)


# ------------------------------------------------------------------------------------------- fairness and memory


def test_direct_calls_come_between_the_records_of_batches(api: Api) -> None:
    path = publish_double(api, "BatchFair", "import time\ntime.sleep(0.02)\ny = 2 * x")
    # At 0.02 s a record and two workers, a second each if the calls had to wait for them.
    executions = [start(api, path, numbers(100), parallelCount=100) for _ in range(4)]
    wait_until(lambda: all(completed(api, execution) for execution in executions))
    for x in range(10):
        assert api.consume(path, x=x)["outputParameters"] == {"y": 2 * x}
    counts = [completed(api, execution) for execution in executions]
    assert sum(counts) < 200, "ten calls took as long as half of all records"
    assert max(counts) - min(counts) < 30, "one batch waits for another"
    for execution in executions:
        api.ok("DELETE", execution)


def test_a_batch_waits_for_room_in_a_full_queue(start_server: Start, tmp_path: Path) -> None:
    server = start_server("--ServeApp.workers=1", "--ServeApp.max_queue=2")
    api = Api(server)
    gate = tmp_path / "gate"
    path = gated(api, "Full", gate)
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(api.send("POST", path, json={"x": 1}).status_code))
        for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    wait_until(lambda: len(answers) == 3)  # one runs, two wait
    execution = start(api, path, numbers(5), parallelCount=5)
    assert completed(api, execution) == 0
    gate.touch()
    for caller in callers:
        caller.join(60)
    assert sorted(answers) == [200, 200, 200, 503, 503, 503]
    assert outputs(complete(api, execution)) == [0, 2, 4, 6, 8]


def test_a_hundred_thousand_records_stay_within_bounds(start_server: Start) -> None:
    """The server holds the request and a few thousand records; as Python objects, the results alone took 100 MB."""
    server = start_server()
    api = Api(server)
    path = publish_double(api, "Many")
    count = 100_000
    process = psutil.Process(server.pid)
    complete(api, start(api, path, numbers(1)))
    before = process.memory_info().rss
    most = 0
    body = b"[" + b",".join([b'{"x":7.25}'] * count) + b"]"
    answer = api.ok("POST", f"{path}/batch", 202, data=body)
    execution = f"{path}/batch/{answer['batchExecutionId']}"

    def is_complete() -> bool:
        nonlocal most
        most = max(most, process.memory_info().rss)
        return completed(api, execution) == count

    wait_until(is_complete, 180)
    with api.http.get(api.url + execution, stream=True, timeout=60) as status:
        size = 0
        for piece in status.iter_content(1024 * 1024):
            size += len(piece)
            most = max(most, process.memory_info().rss)
    assert size > count * 100
    assert most - before < 60 * 1024 * 1024, f"{(most - before) >> 20} MB"
    api.ok("DELETE", execution)
