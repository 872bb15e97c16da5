"""Batch executions and the end of the server: killed, stopped, its disk full, its versions changed meanwhile."""

from __future__ import annotations

import functools
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import requests

import jupyter_deployr
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.batch_api import complete, completed, ended, numbers, outputs, publish_double, start
from tests.webnode.data_directory import DATABASE, blob, blobs, check_whole, digest_of, rows

Start = Callable[..., ServerProcess]


@pytest.fixture
def start_server(start_server: Start) -> Start:
    """Starts servers as the fixture of that name does, without the warm sessions, which batches don't need."""
    return functools.partial(start_server, "--ServeApp.warm_sessions=0")


TABLES = ("batch_executions", "batch_inputs", "batch_results", "batch_files")
# Each call leaves a line: how often each record was run, over all runs of the server.
COUNTING = """
import os, time
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, b"%d\\n" % int(x)); os.close(log)
open("f.txt", "w").write(str(int(x)))
time.sleep({seconds})
y = 2 * x
"""


def publish_counting(api: Api, log: Path, seconds: float = 0) -> str:
    code = COUNTING.format(log=str(log), seconds=seconds)
    return publish_double(api, "Counting", code, outputFileNames=["f.txt"])


def check_all_there(api: Api, execution: str, count: int) -> None:
    """Each record has its result and its file, once."""
    assert outputs(complete(api, execution)) == [2 * x for x in range(count)]
    for x in {0, count // 2, count - 1}:
        assert api.send("GET", f"{execution}/{x}/files/f.txt").content == str(x).encode()


def check_kept(server: ServerProcess, count: int) -> None:
    """The tables hold one complete execution of so many records, and nothing else."""
    check_whole(server.data_dir)
    assert [rows(server.data_dir, table) for table in TABLES] == [1, 0, count, count]


# ------------------------------------------------------------------------------------------------------- restarts


def test_killed_in_the_middle_of_thousands_of_records(start_server: Start, tmp_path: Path) -> None:
    count = 3000
    server = start_server()
    api = Api(server)
    log = tmp_path / "log"
    path = publish_counting(api, log)
    execution = start(api, path, numbers(count), parallelCount=20)
    wait_until(lambda: completed(api, execution) > 300)
    shown = api.ok("GET", execution)
    server.kill()
    seen = list(range(len(shown["batchExecutionResults"])))
    assert 0 < len(seen) <= shown["completedItemCount"] < count

    again = start_server()
    api = Api(again)
    check_all_there(api, execution, count)
    check_kept(again, count)
    times = [int(line) for line in log.read_text().split()]
    assert set(times) == set(range(count))
    # What had been shown was not run again; only what had been out, or not been saved yet, was.
    assert not set(seen) & {x for x in times if times.count(x) > 1}
    assert len(times) - count < 2000


def test_killed_again_and_again(start_server: Start, tmp_path: Path) -> None:
    count = 600
    server = start_server()
    path = publish_counting(Api(server), tmp_path / "log", 0.002)
    execution = start(Api(server), path, numbers(count))
    before = 0
    for _ in range(3):
        api = Api(server)
        wait_until(lambda: completed(api, execution) > min(before + 50, count - 1))  # noqa: B023
        before = completed(api, execution)
        server.kill()
        server = start_server()
        assert completed(Api(server), execution) >= before
    check_all_there(Api(server), execution, count)
    check_kept(server, count)


def test_stopped_at_a_records_border(start_server: Start, tmp_path: Path) -> None:
    count = 100
    server = start_server()
    api = Api(server)
    log = tmp_path / "log"
    execution = start(api, publish_counting(api, log, 0.05), numbers(count), parallelCount=4)
    wait_until(lambda: completed(api, execution) > 5)
    assert server.terminate() == 0
    begun = log.read_text().split()
    assert 5 < len(begun) < count
    # Everything that was begun was finished, and kept.
    assert rows(server.data_dir, "batch_results") == len(begun)
    again = start_server()
    check_all_there(Api(again), execution, count)
    assert sorted(log.read_text().split(), key=int) == [str(x) for x in range(count)]
    check_kept(again, count)


def test_a_record_without_end_does_not_hold_up_the_end_of_the_server(start_server: Start, tmp_path: Path) -> None:
    server = start_server("--ServeApp.drain_seconds=1")
    api = Api(server)
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile x == 1 and not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = 2 * x"
    path = publish_double(api, "Endless", code)
    execution = start(api, path, numbers(3))
    wait_until(lambda: completed(api, execution) == 2)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(15) == 0
    gate.touch()
    api = Api(start_server())
    assert outputs(complete(api, execution)) == [0, 2, 4]


@pytest.mark.parametrize(
    ("method", "body", "reason"),
    [
        ("PATCH", {"description": "other words"}, None),
        ("PATCH", {"code": "y = -1"}, "Gated V1.0 was changed"),
        ("PATCH", {"outputFileNames": ["f"]}, "Gated V1.0 was changed"),
        ("DELETE", None, "Gated V1.0 was deleted"),
    ],
)
def test_a_version_that_changed_before_the_restart(
    method: str, body: object, reason: str | None, start_server: Start, tmp_path: Path
) -> None:
    server = start_server()
    api = Api(server)
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile x > 2 and not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = 2 * x"
    path = publish_double(api, "Gated", code)
    execution = start(api, path, numbers(9), parallelCount=2)
    wait_until(lambda: completed(api, execution) == 3)
    api.ok(method, "/services/Gated/V1.0", json=body)
    server.kill()
    gate.touch()
    again = start_server()
    api = Api(again)
    status = ended(api, execution)
    results = status["batchExecutionResults"]
    if reason is None:
        assert outputs(results) == [2 * x for x in range(9)]
    else:
        assert status["state"] == "Failed"
        assert reason in status["errorMessage"]
        assert outputs(results[:3]) == [0, 2, 4]
        assert len(results) == 9
        assert all(not result["success"] and reason in result["errorMessage"] for result in results[3:])
        assert status["completedItemCount"] == 3
    assert rows(again.data_dir, "batch_inputs") == 0
    check_whole(again.data_dir)


def test_a_version_that_can_not_be_started_fails_its_batch(start_server: Start, tmp_path: Path) -> None:
    """Its init code needs a file that went away with the first run of the server."""
    needed = tmp_path / "needed"
    needed.touch()
    server = start_server()
    api = Api(server)
    code = f"import os, time\nwhile x > 2 and os.path.exists({str(needed)!r}): time.sleep(0.01)\ny = 2 * x"
    path = publish_double(api, "Needs", code, initCode=f"open({str(needed)!r})")
    execution = start(api, path, numbers(9), parallelCount=3)
    wait_until(lambda: completed(api, execution) == 3)
    server.kill()
    needed.unlink()
    api = Api(start_server())
    status = ended(api, execution, 120)
    assert status["state"] == "Failed"
    assert "can't be started" in status["errorMessage"]
    assert "FileNotFoundError" in status["errorMessage"]
    assert outputs(status["batchExecutionResults"][:3]) == [0, 2, 4]


def test_the_snapshot_of_a_patched_version_stays_as_long_as_its_batch(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    api = Api(server)
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = factor * x"
    path = publish_double(api, "Patched", code, snapshotId=api.snapshot("factor = 2"), isolation="reload")
    execution = start(api, path, numbers(9), parallelCount=2)
    for snapshot in api.ok("GET", "/snapshots"):
        api.ok("DELETE", f"/snapshots/{snapshot['id']}")
    api.ok("PATCH", "/services/Patched/V1.0", json={"snapshotId": api.snapshot("factor = 3"), "code": "y = factor * x"})
    assert len(blobs(server.data_dir)) == 2
    gate.touch()
    assert outputs(complete(api, execution)) == [2 * x for x in range(9)]
    assert api.consume(path, x=1)["outputParameters"] == {"y": 3}
    wait_until(lambda: len(blobs(server.data_dir)) == 1)


def test_a_batch_of_a_broken_version_is_refused(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    path = publish_double(api, "Broken", "y = factor * x", snapshotId=api.snapshot("factor = 2"))
    server.terminate()
    damaged = blob(server.data_dir, digest_of(server.data_dir, "Broken"))
    damaged.chmod(0o600)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    api = Api(start_server())
    wait_until(lambda: api.ok("GET", "/services/Broken/V1.0")[0]["broken"])
    assert "Broken V1.0 is broken" in api.error("POST", f"{path}/batch", 500, json=numbers(3))["message"]
    assert api.ok("GET", f"{path}/batch") == []


# ---------------------------------------------------------------------------------------------------- fail points

# point -> what is there after a kill at it: nothing of the batch, the whole of it, or (None) nothing to delete
KILLED = {
    "batch.start.before_commit": "nothing",
    "batch.start.committed": "all",
    "batch.begin.before_commit": "all",
    "batch.begin.committed": "all",
    "batch.records.before_commit": "all",
    "batch.records.committed": "all",
    "batch.end.before_commit": "all",
    "batch.end.committed": "all",
    "batch.delete.before_commit": "all",
    "batch.delete.committed": "nothing",
}


def test_no_point_is_forgotten() -> None:
    package = Path(jupyter_deployr.__file__).parent
    sources = [path.read_text() for path in package.rglob("*.py")]
    found = {name for source in sources for name in re.findall(r'\bfail_point\("(batch\.[^"]+)"\)', source)}
    assert found == KILLED.keys()


def _start_and_delete(api: Api, path: str) -> None:
    """As far as the server comes."""
    execution = start(api, path, numbers(50))
    complete(api, execution)
    api.ok("DELETE", execution)


@pytest.mark.parametrize("point", KILLED)
def test_killed_at_a_step(point: str, start_server: Start, tmp_path: Path) -> None:
    dying = start_server(DEPLOYR_FAIL_AT=point)
    api = Api(dying)
    path = publish_counting(api, tmp_path / "log")
    with pytest.raises(requests.ConnectionError):
        _start_and_delete(api, path)
    assert dying.process.wait(10) == -signal.SIGKILL
    with closing(sqlite3.connect(dying.data_dir / DATABASE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    server = start_server()
    api = Api(server)
    executions = api.ok("GET", f"{path}/batch")
    if KILLED[point] == "nothing":
        assert executions == []
        assert rows(server.data_dir, *TABLES) == 0
        check_whole(server.data_dir)
    else:
        (identity,) = executions
        check_all_there(api, f"{path}/batch/{identity}", 50)
        check_kept(server, 50)
        api.ok("DELETE", f"{path}/batch/{identity}")
    _start_and_delete(api, path)
    assert rows(server.data_dir, *TABLES) == 0


@pytest.mark.parametrize("step", ["begin", "records", "end"])
def test_a_batch_waits_while_the_disk_is_full(step: str, start_server: Start, tmp_path: Path) -> None:
    server = start_server(DEPLOYR_FAIL_AT=f"batch.{step}.before_commit:full")
    api = Api(server)
    log = tmp_path / "log"
    path = publish_counting(api, log)
    execution = start(api, path, numbers(50))
    check_all_there(api, execution, 50)
    assert sorted(log.read_text().split(), key=int) == [str(x) for x in range(50)]
    check_kept(server, 50)


def test_a_batch_is_not_started_on_a_full_disk(start_server: Start, tmp_path: Path) -> None:
    server = start_server(DEPLOYR_FAIL_AT="batch.start.before_commit:full")
    api = Api(server)
    path = publish_counting(api, tmp_path / "log")
    api.error("POST", f"{path}/batch", 507, json=numbers(50))
    assert api.ok("GET", f"{path}/batch") == []
    assert rows(server.data_dir, *TABLES) == 0
    check_all_there(api, start(api, path, numbers(50)), 50)
    check_kept(server, 50)


def test_a_batch_that_can_not_be_deleted_is_as_it_was(start_server: Start, tmp_path: Path) -> None:
    server = start_server(DEPLOYR_FAIL_AT="batch.delete.before_commit:full")
    api = Api(server)
    path = publish_counting(api, tmp_path / "log", 0.01)
    execution = start(api, path, numbers(100))
    wait_until(lambda: completed(api, execution) > 3)
    api.error("DELETE", execution, 507)
    check_all_there(api, execution, 100)
    check_kept(server, 100)
    api.ok("DELETE", execution)
    assert rows(server.data_dir, *TABLES) == 0


def test_workers_killed_under_a_batch(start_server: Start, tmp_path: Path) -> None:
    """Only the records that were being worked on are lost, each with a result that says so."""
    server = start_server()
    api = Api(server)
    path = publish_counting(api, tmp_path / "log", 0.01)
    execution = start(api, path, numbers(200))
    wait_until(lambda: completed(api, execution) > 3)
    workers = [
        process
        for process in psutil.Process(server.pid).children(recursive=True)
        if process.cwd().startswith(str(server.data_dir / "scratch" / "worker-"))
    ]
    assert workers
    for worker in workers:
        worker.kill()
    results = complete(api, execution)
    lost = [result for result in results if not result["success"]]
    assert 1 <= len(lost) <= len(workers)
    assert all("worker process" in result["errorMessage"] for result in lost)
    assert all(result["outputParameters"] == {"y": 2 * x} for x, result in enumerate(results) if result["success"])
