"""What snapshots and isolation cost: saving and loading arrays, replicas' memory, publishing Iris, a call's clean-up.

    python -m benchmarks.snapshots [--rounds 5] [--megabytes 1000] [--directory DIR]

A report, not a test.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import requests

from benchmarks import machine
from benchmarks.servers import ServerFailed, nothing_left_behind, running
from jupyter_deployr.computenode import ServiceDefinition
from jupyter_deployr.computenode.saving import save
from jupyter_deployr.computenode.service import LoadedService
from jupyter_deployr.computenode.snapshot import Snapshot
from jupyter_deployr.protocol.parameters import Parameter

_ARRAYS = 10
_NAMES = 40
_CALLS = 5000
_REPLICAS = 4
_MEGABYTE = 1_000_000
_CHUNK = 16 * 1024 * 1024

_IRIS = """
from sklearn import datasets, svm
iris = datasets.load_iris()
names = {0: "I. setosa", 1: "I. versicolor", 2: "I. virginica"}
clf = svm.SVC().fit(iris.data, iris.target)
"""
_SPECIES = "iris_species = [names[x] for x in clf.predict([flower_data])]"
_FLOWER = {"flower_data": [7, 3.2, 4.7, 1.4]}

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all measurements and print them beside what they are to reach."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshots", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each (default 5)")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the arrays (default 1000)")
    parser.add_argument("--directory", type=Path, help="on which disk to measure; by default that of temporary files")
    options = parser.parse_args(arguments)
    print(machine.description(["numpy", "scikit-learn", "cloudpickle"]))
    print(f"{options.rounds} rounds, medians; range in brackets\n")
    try:
        with nothing_left_behind(), tempfile.TemporaryDirectory(dir=options.directory) as scratch:
            _arrays(Path(scratch), options.megabytes, options.rounds)
            _server(Path(scratch), options.megabytes, options.rounds)
            _isolation(Path(scratch), options.rounds)
    except (ServerFailed, AssertionError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _row(what: str, values: Sequence[float], unit: str, reach: str) -> None:
    spread = f"({min(values):.2f} to {max(values):.2f})"
    print(f"{what:<58}{statistics.median(values):>9.2f} {unit:<6}{spread:<22}{reach}")


def _in_child(work: Callable[..., Result], *arguments: Any) -> Result:
    """What `work` returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


# ---------------------------------------------------------------------------------------------------------- arrays


def _arrays(directory: Path, megabytes: int, rounds: int) -> None:
    ratios, loads = [], []
    for number in range(rounds):
        # Each of the two goes first in every other round: the disk is slower while it is still writing.
        ratio, load = _in_child(_save_and_load, directory, megabytes, number % 2 == 0)
        ratios.append(ratio)
        loads.append(load * 1000)
    _row(f"dump {megabytes} MB of arrays, against writing the same bytes", ratios, "x", ">= 0.7 x")
    _row(f"load {megabytes} MB of arrays", loads, "ms", "<= 50 ms")


def _save_and_load(directory: Path, megabytes: int, plain_first: bool) -> tuple[float, float]:
    """Speed of saving over speed of plain writing, and seconds of loading."""
    (directory / "empty").mkdir(exist_ok=True)
    workspace = _arrays_of(megabytes)
    names = list(workspace)
    plain, snapshot = directory / "plain", directory / "snapshot"

    def write() -> float:
        return _seconds(lambda: _write(plain, workspace))

    writing = write() if plain_first else 0.0
    os.sync()
    saving = _seconds(lambda: _synced(snapshot, lambda: save(snapshot, workspace, names, directory / "empty")))
    os.sync()
    writing = writing or write()
    loaded: dict[str, Any] = {}
    loading = _seconds(lambda: Snapshot(snapshot).load_into(loaded))
    assert loaded.keys() == workspace.keys()
    assert all(loaded[name][-1] == workspace[name][-1] for name in names)
    plain.unlink()
    snapshot.unlink()
    return writing / saving, loading


def _arrays_of(megabytes: int) -> dict[str, Any]:
    generator = np.random.default_rng()
    return {f"a{number}": generator.random(megabytes * _MEGABYTE // 8 // _ARRAYS) for number in range(_ARRAYS)}


def _write(path: Path, workspace: dict[str, Any]) -> None:
    def write() -> None:
        with path.open("wb") as file:
            for array in workspace.values():
                view = memoryview(array).cast("B")
                for start in range(0, len(view), _CHUNK):
                    file.write(view[start : start + _CHUNK])

    _synced(path, write)


def _synced(path: Path, write: Callable[[], Any]) -> None:
    write()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# ---------------------------------------------------------------------------------------------------------- server


class _Server:
    """This project's server over HTTP."""

    def __init__(self, url: str, password: str, http: requests.Session) -> None:
        self._url = url
        self._http = http
        token = self.call("POST", "/login", {"username": "admin", "password": password})["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, self._url + path, json=body, timeout=600)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def session(self, code: str) -> str:
        session: str = self.call("POST", "/sessions", {"runtimeType": "Python"})["sessionId"]
        done = self.call("POST", f"/sessions/{session}/execute", {"code": code})
        assert done["success"], done["errorMessage"]
        return session

    def snapshot(self, session: str) -> str:
        return str(self.call("POST", f"/sessions/{session}/snapshot", {})["snapshotId"])

    def publish(self, name: str, code: str, snapshot: str | None, inputs: Sequence[str], output: str) -> str:
        definitions = [{"name": each, "type": "vector"} for each in inputs]
        body = {
            "code": code,
            "snapshotId": snapshot,
            "inputParameterDefinitions": definitions,
            "outputParameterDefinitions": [{"name": output, "type": "vector"}],
        }
        return str(self.call("POST", f"/services/{name}/V1.0", body))


@contextmanager
def _running(directory: Path, *options: str) -> Iterator[tuple[_Server, psutil.Process]]:
    password = "Aa1!" + secrets.token_urlsafe(8)
    environment = {"DEPLOYR_ADMIN_PASSWORD": password, "JUPYTER_RUNTIME_DIR": str(directory / "runtime")}
    command = ["-m", "jupyter_deployr", "serve", "--port=0", f"--data-dir={directory / 'data'}"]

    def ready(line: str) -> str | None:
        said = re.search(r"DeployR server ready at (http://\S+)", line)
        return said[1] if said else None

    with running([*command, *options], environment, ready) as url, requests.Session() as http:
        (process,) = [each for each in psutil.Process().children() if "serve" in each.cmdline()]
        yield _Server(url, password, http), process


def _server(directory: Path, megabytes: int, rounds: int) -> None:
    with _running(directory) as (server, _):
        snapshots, firsts = [], []
        session = server.session(_IRIS)
        for number in range(rounds):
            server.call("POST", f"/sessions/{session}/execute", {"code": f"round = {number}"})
            begun = time.perf_counter()
            snapshot = server.snapshot(session)
            snapshots.append((time.perf_counter() - begun) * 1000)
            begun = time.perf_counter()
            path = server.publish(f"Iris{number}", _SPECIES, snapshot, ["flower_data"], "iris_species")
            answer = server.call("POST", path, _FLOWER)
            firsts.append((time.perf_counter() - begun) * 1000)
            assert answer["outputParameters"] == {"iris_species": ["I. versicolor"]}
            server.call("DELETE", f"/services/Iris{number}/V1.0")
        _row("snapshot of the Iris session", snapshots, "ms", "<= 60 ms")
        _row("publish Iris from a snapshot, to its first answer", firsts, "ms", "<= 100 ms")
    with _running(directory, f"--ServeApp.workers={_REPLICAS}", "--ServeApp.warm_sessions=0") as (server, process):
        extra = _extra_memory(server, process, megabytes)
    _row(f"{_REPLICAS} replicas of {megabytes} MB that read it all: extra memory", [extra], "MB", "<= 40 MB")


def _extra_memory(server: _Server, process: psutil.Process, megabytes: int) -> float:
    """Proportional memory that the replicas of a version with arrays add to all processes of the server, beyond the
    arrays themselves once."""
    code = (
        "import numpy as np\n"
        f"for number in range({_ARRAYS}):\n"
        f"    globals()[f'a{{number}}'] = np.random.random({megabytes * _MEGABYTE // 8 // _ARRAYS})\n"
    )
    session = server.session(code)
    snapshot = server.snapshot(session)
    server.call("DELETE", f"/sessions/{session}")
    before = _proportional_memory(process)
    total = " + ".join(f"a{number}.sum()" for number in range(_ARRAYS))
    path = server.publish("Arrays", f"import os\ny = [os.getpid(), {total}]", snapshot, (), "y")
    answered: set[int] = set()
    deadline = time.monotonic() + 120
    with ThreadPoolExecutor(_REPLICAS * 2) as threads:
        while len(answered) < _REPLICAS and time.monotonic() < deadline:
            answers = threads.map(lambda _: server.call("POST", path, {}), range(_REPLICAS * 2))
            answered |= {answer["outputParameters"]["y"][0] for answer in answers}
    assert len(answered) == _REPLICAS, f"{len(answered)} replicas answered"
    return (_proportional_memory(process) - before) / _MEGABYTE - megabytes


def _proportional_memory(process: psutil.Process) -> float:
    """Bytes of a process and all below it, shared pages counted in parts."""
    return float(sum(each.memory_full_info().pss for each in (process, *process.children(recursive=True))))


# ------------------------------------------------------------------------------------------------------- isolation


def _isolation(directory: Path, rounds: int) -> None:
    quiet, busy = [], []
    for _ in range(rounds):
        hot, cold = _in_child(_clean_up_microseconds, directory)
        quiet.append(hot)
        busy.append(cold)
    what = f"clean-up after a call, {_NAMES} names"
    _row(f"{what}, one after the other", quiet, "us", "<= 10 us")
    _row(f"{what}, after each prediction of an SVC", busy, "us", "<= 10 us")


def _clean_up_microseconds(directory: Path) -> tuple[float, float]:
    """Median of what is done after a call: of calls that do nothing, and of calls that predict."""
    workspace: dict[str, Any] = {}
    exec(_IRIS, workspace)
    del workspace["__builtins__"]
    for number in range(_NAMES - len(workspace)):
        workspace[f"name{number}"] = [number] if number % 3 == 0 else {"number": number} if number % 3 == 1 else number
    file = directory / "names"
    (directory / "empty").mkdir(exist_ok=True)
    save(file, workspace, list(workspace), directory / "empty")
    times = []
    for code in ("iris_species = flower_data", _SPECIES):
        work, pristine = (Path(tempfile.mkdtemp(dir=directory)) for _ in range(2))
        os.chdir(work)
        definition = ServiceDefinition(
            "Iris V1.0", code, inputs=(Parameter("flower_data", "vector"),),
            outputs=(Parameter("iris_species", "vector"),),
            snapshot=str(file),
        )  # fmt: skip
        service = LoadedService(definition, work, pristine)
        taken = []
        for _ in range(_CALLS):
            status, _ = service.call(b'{"flower_data":[7,3.2,4.7,1.4]}')
            begun = time.perf_counter_ns()
            service.restore()
            taken.append(time.perf_counter_ns() - begun)
            assert status == 200
        times.append(statistics.median(taken) / 1000)
    os.chdir("/")
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    return times[0], times[1]


if __name__ == "__main__":
    sys.exit(main())
