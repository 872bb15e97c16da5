"""Objects of a session's workspace over HTTP: dill bytes in and out, loaded in the session only."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pandas as pd
import psutil
import pytest
import requests

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

MB = 1024 * 1024
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def session(api: Api) -> Iterator[str]:
    identity = api.session()
    yield identity
    api.send("DELETE", f"/sessions/{identity}/force")


def put(api: Api, session: str, name: str, value: Any) -> None:
    answer = api.send("POST", f"/sessions/{session}/workspace/{name}", data=dill.dumps(value), headers=OCTETS)
    assert (answer.status_code, answer.content) == (200, b"")


def got(api: Api, session: str, name: str) -> Any:
    answer = api.send("GET", f"/sessions/{session}/workspace/{name}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert f'filename="{name}.dill"' in answer.headers["content-disposition"]
    return dill.loads(answer.content)


VALUES = [None, 1, "text", [1, [2.5, None]], {"a": {1, 2}}, b"bytes", 10**400]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_a_value_comes_back_as_it_went(api: Api, session: str, value: object) -> None:
    put(api, session, "it", value)
    assert api.execute(session, "assert it == it; kind = type(it)")["success"]
    assert got(api, session, "it") == value
    assert got(api, session, "kind") is type(value)


def test_arrays_and_frames(api: Api, session: str) -> None:
    array, frame = np.arange(12.0).reshape(3, 4), pd.DataFrame({"a": [1, 2], "t": ["x", None]})
    put(api, session, "array", array)
    put(api, session, "frame", frame)
    assert api.execute(session, "array *= 2; frame['a'] += 1")["success"]
    assert np.array_equal(got(api, session, "array"), array * 2)
    pd.testing.assert_frame_equal(got(api, session, "frame"), frame.assign(a=[2, 3]))


def test_functions_and_classes_of_the_session(api: Api, session: str) -> None:
    code = """
import threading
lock = threading.Lock()
scale = 3
def triple(x): return scale * x
class Model:
    def predict(self, x): return triple(x) + 1
model = Model()
"""
    assert api.execute(session, code)["success"]
    assert got(api, session, "triple")(2) == 6
    assert got(api, session, "model").predict(2) == 7


def test_a_function_of_ours_runs_there(api: Api, session: str) -> None:
    base = 40
    put(api, session, "add", lambda x: base + x)
    (found,) = api.execute(session, "y = add(2)", outputs=["y"])["outputParameters"]
    assert found["value"] == 42


def test_only_the_users_names_are_listed(api: Api) -> None:
    session = api.session()
    assert api.ok("GET", f"/sessions/{session}/workspace") == []
    api.execute(session, "import math\nb = 1\n_hidden = 2\n1 + 1\nüber = 3")
    assert api.ok("GET", f"/sessions/{session}/workspace") == ["_hidden", "b", "math", "über"]
    path = f"/sessions/{session}/workspace/b"
    answer = api.send("DELETE", path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "b" not in api.ok("GET", f"/sessions/{session}/workspace")
    assert api.execute(session, "b")["errorMessage"] == "NameError: name 'b' is not defined"
    for method in ("GET", "DELETE"):
        for name in ("b", "In", "__builtins__", "_", "get_ipython", "no%20name"):
            api.error(method, f"/sessions/{session}/workspace/{name}", 404)
    api.ok("DELETE", f"/sessions/{session}")


def test_what_python_adds_is_not_listed(api: Api) -> None:
    session = api.session()
    code = """
import warnings
noted: int = 4
__version__ = '1'
warnings.warn('once')
added = sorted(__annotations__), '__warningregistry__' in globals()
"""
    assert "once" in api.execute(session, code)["consoleOutput"]
    names = ["__version__", "added", "noted", "warnings"]
    assert api.ok("GET", f"/sessions/{session}/workspace") == names
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert sorted(entry["name"] for entry in made["largest"]) == names
    again = api.session(snapshotId=made["snapshotId"])
    look = "found = [added, sorted(__annotations__), '__warningregistry__' in globals()]"
    (found,) = api.execute(again, look, outputs=["found"])["outputParameters"]
    assert found["value"] == [[["noted"], True], ["noted"], False]
    api.ok("DELETE", f"/snapshots/{made['snapshotId']}")
    for identity in (session, again):
        api.ok("DELETE", f"/sessions/{identity}")


def test_names_are_listed_while_code_defines_more(api: Api) -> None:
    session = api.session()
    code = """
import os
open('begun', 'w').close()
while not os.path.exists('go'):
    for n in range(5000): globals()[f'n{n}'] = n
    for n in range(5000): del globals()[f'n{n}']
"""
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(api.execute, session, code)
        wait_until(lambda: "begun" in api.ok("GET", f"/sessions/{session}/files"))
        for _ in range(50):
            assert "os" in api.ok("GET", f"/sessions/{session}/workspace")
        api.ok("POST", f"/sessions/{session}/files", 201, files={"file": ("go", b"x")})
        assert running.result(30)["success"]
    api.ok("DELETE", f"/sessions/{session}")


class Opened:
    """Leaves a trace of the process that loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"import os; open({str(self.path)!r}, 'a').write(str(os.getpid()) + ' ')",)


class Exits:
    def __reduce__(self) -> tuple[Any, ...]:
        return exit, (3,)


class Ends:
    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def test_bytes_are_loaded_in_the_session_and_nowhere_else(api: Api, session: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    put(api, session, "opened", Opened(trace))
    (found,) = api.execute(session, "import os; pid = os.getpid()", outputs=["pid"])["outputParameters"]
    assert trace.read_text().split() == [str(found["value"])]


BAD_BYTES = {
    "nothing": b"",
    "text": b"no pickle",
    "half": dill.dumps(list(range(1000)))[:-100],
    "an unknown class": b"cno_such_module\nThing\n.",
    "an exit": dill.dumps(Exits(), recurse=True, byref=True),
}


@pytest.mark.parametrize("data", BAD_BYTES.values(), ids=BAD_BYTES)
def test_bytes_that_are_no_object(api: Api, session: str, data: bytes) -> None:
    fault = api.error("POST", f"/sessions/{session}/workspace/broken", 400, data=data, headers=OCTETS)
    assert "'broken'" in fault["message"]
    assert "scratch" not in fault["message"]
    assert "broken" not in api.ok("GET", f"/sessions/{session}/workspace")


# `def twice(x): return 2 * x`, as dill 0.3.7 wrote it on Python 3.7.
_FUNCTION_OF_PYTHON_3_7 = (
    "gANjZGlsbC5fZGlsbApfY3JlYXRlX2Z1bmN0aW9uCnEAKGNkaWxsLl9kaWxsCl9jcmVhdGVfY29kZQpxAShLAUsASwFLAktDQwhkAXwAFABTAHEC"
    "TksChnEDKVgBAAAAeHEEhXEFWAcAAAA8c3RkaW4+cQZYBQAAAHR3aWNlcQdLAkMCAAFxCCkpdHEJUnEKY19fYnVpbHRpbl9fCl9fbWFpbl9fCmgH"
    "Tk50cQtScQx9cQ19cQ5YDwAAAF9fYW5ub3RhdGlvbnNfX3EPfXEQc4ZxEWIu"
)


def test_a_function_of_an_older_python_is_refused(api: Api, session: str) -> None:
    """Loaded, it would have bytecode that means something else here."""
    data = base64.b64decode(_FUNCTION_OF_PYTHON_3_7)
    fault = api.error("POST", f"/sessions/{session}/workspace/twice", 400, data=data, headers=OCTETS)
    assert "'twice'" in fault["message"]
    assert "of an older Python" in fault["message"]
    assert "twice" not in api.ok("GET", f"/sessions/{session}/workspace")


def test_a_function_of_this_python_is_loaded(api: Api, session: str) -> None:
    put(api, session, "twice", lambda x: 2 * x)
    assert api.execute(session, "it = twice(21)", outputs=["it"])["outputParameters"] == [{"name": "it", "value": 42}]


@pytest.mark.parametrize("name", ["not%20a%20name", "class", "__builtins__", "1a", "..%5Cx"])
def test_names_that_are_no_variables(api: Api, session: str, name: str) -> None:
    api.error("POST", f"/sessions/{session}/workspace/{name}", 400, data=dill.dumps(1), headers=OCTETS)


@pytest.mark.parametrize("kind", ["application/json", "application/x-python-pickle", "application/vnd.x+pickle"])
def test_bytes_of_another_kind(api: Api, session: str, kind: str) -> None:
    headers = {"Content-Type": kind}
    api.error("POST", f"/sessions/{session}/workspace/x", 415, data=dill.dumps(1), headers=headers)


def test_an_object_that_cannot_be_written(api: Api, session: str) -> None:
    code = """
class Refuses:
    def __reduce__(self): raise TypeError('not this one')
refuses = Refuses()
"""
    api.execute(session, code)
    fault = api.error("GET", f"/sessions/{session}/workspace/refuses", 400)
    assert "'refuses' (Refuses)" in fault["message"]
    assert "not this one" in fault["message"]


def test_bytes_that_end_the_session(api: Api) -> None:
    session = api.session()
    data = dill.dumps(Ends(), byref=True)
    fault = api.error("POST", f"/sessions/{session}/workspace/x", 410, data=data, headers=OCTETS)
    assert "exit code 3" in fault["message"]
    for method, path in (("GET", ""), ("GET", "/x"), ("POST", "/x"), ("DELETE", "/x")):
        api.error(method, f"/sessions/{session}/workspace{path}", 410, data=b"", headers=OCTETS)
    for method, path in (
        ("GET", ""),
        ("GET", "/console-output"),
        ("GET", "/history"),
        ("GET", "/files"),
        ("GET", "/files/a"),
        ("DELETE", "/files/a"),
        ("GET", "/executions/x/events"),
    ):
        api.error(method, f"/sessions/{session}{path}", 410)
    for path in ("/complete", "/inspect", "/execute"):
        api.error("POST", f"/sessions/{session}{path}", 410, json={"code": "1"})
    api.error("POST", f"/sessions/{session}/files", 410, files={"file": ("f", b"f")})
    api.ok("DELETE", f"/sessions/{session}")


def test_requests_wait_for_the_cell_that_runs(api: Api) -> None:
    session = api.session()
    (found,) = api.execute(session, "import os; flag = os.path.abspath('go')", outputs=["flag"])["outputParameters"]
    code = """
import time
x = 'running'; open('begun', 'w').close()
while not os.path.exists(flag): time.sleep(.01)
x = 'done'
"""
    flag = Path(found["value"])
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(api.execute, session, code)
        wait_until(flag.with_name("begun").exists)
        asking = threads.submit(got, api, session, "x")
        assert "begun" in api.ok("GET", f"/sessions/{session}/files"), "files don't wait"
        assert api.ok("GET", f"/sessions/{session}/workspace") == ["flag", "os", "time", "x"], "nor do names"
        assert not asking.done()
        flag.touch()
        assert asking.result(30) == "done"
        assert running.result(30)["success"]
    api.ok("DELETE", f"/sessions/{session}")


def test_loading_can_be_cancelled(api: Api, session: str) -> None:
    class Sleeps:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, ("open('begun', 'w').close()\nimport time; time.sleep(600)",)

    with ThreadPoolExecutor(1) as threads:
        path = f"/sessions/{session}/workspace/slept"
        loading = threads.submit(api.send, "POST", path, data=dill.dumps(Sleeps()), headers=OCTETS)
        wait_until(lambda: "begun" in api.ok("GET", f"/sessions/{session}/files"))
        api.ok("POST", f"/sessions/{session}/cancel")
        assert loading.result(30).status_code == 409
    assert "slept" not in api.ok("GET", f"/sessions/{session}/workspace")


def test_a_large_object_is_never_in_the_servers_memory(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(f"--ServeApp.max_body_bytes={260 * MB}")
    api = Api(server)
    session = api.session()
    process = psutil.Process(server.pid)
    data = dill.dumps(bytes(250 * MB))
    before, peak, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        path = f"/sessions/{session}/workspace/large"
        assert api.send("POST", path, data=data, headers=OCTETS).status_code == 200
        answer: requests.Response = api.send("GET", path, stream=True)
        assert sum(map(len, answer.iter_content(MB))) >= 250 * MB
    finally:
        done.set()
        watching.join()
    assert peak - before < 60 * MB
    transfers = next(server.data_dir.rglob("transfers"), None) or next(Path(server.data_dir).parent.rglob("transfers"))
    assert list(transfers.iterdir()) == []
