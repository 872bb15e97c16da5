"""Sessions over HTTP: executions, inputs and outputs, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until


@pytest.fixture
def session(api: Api) -> Iterator[str]:
    identity = api.session()
    yield identity
    api.send("DELETE", f"/sessions/{identity}")


def test_a_session_has_an_id_a_name_and_an_owner(api: Api) -> None:
    created = api.ok("POST", "/sessions", 201, json={"name": "Session 1", "runtimeType": "Python"})
    assert list(created) == ["sessionId"]
    unnamed = api.session()
    listed = {entry["id"]: entry for entry in api.ok("GET", "/sessions")}
    assert listed[created["sessionId"]] == {
        "id": created["sessionId"],
        "name": "Session 1",
        "owner": "admin",
        "runtimeType": "Python",
    }
    assert len(listed[unnamed]["name"]) == 15
    for identity in (created["sessionId"], unnamed):
        assert isinstance(api.ok("DELETE", f"/sessions/{identity}"), str)
    assert created["sessionId"] not in {entry["id"] for entry in api.ok("GET", "/sessions")}


@pytest.mark.parametrize("body", [{"runtimeType": "R"}, {"runtimeType": 3}, [], "text"])
def test_a_session_that_cannot_be(api: Api, body: object) -> None:
    api.error("POST", "/sessions", 400, json=body)


def test_an_unknown_snapshot_cannot_be_preloaded(api: Api) -> None:
    api.error("POST", "/sessions", 404, json={"snapshotId": "no-such"})


def test_state_lasts_from_one_execution_to_the_next(api: Api, session: str) -> None:
    first = api.execute(session, "def double(x): return scale * x\nscale = 2")
    assert first == {
        "success": True,
        "errorMessage": "",
        "outputParameters": [],
        "consoleOutput": "",
        "changedFiles": [],
        "traceback": [],
    }
    second = api.execute(session, "y = [double(x) for x in xs]", {"xs": [1, 2.5]}, ["y"])
    assert second["outputParameters"] == [{"name": "y", "value": [2, 5.0]}]


@pytest.mark.parametrize("value", [1, 2.5, True, None, "text — é", [1, [2, None]], {"a": {"b": [1]}}, [], {}], ids=repr)
def test_inputs_stay_plain_json_values(api: Api, session: str, value: object) -> None:
    answer = api.execute(session, "kind = type(x).__name__", {"x": value}, ["x", "kind"])
    returned = {entry["name"]: entry["value"] for entry in answer["outputParameters"]}
    assert returned == {"x": value, "kind": type(value).__name__}


@pytest.mark.parametrize(("value", "shown"), [("NaN", "nan"), ("[-Infinity, 1e400]", "[-inf, inf]"), ("7" * 400, None)])
def test_inputs_that_json_has_no_word_for(api: Api, session: str, value: str, shown: str | None) -> None:
    body = f'{{"code": "x", "inputParameters": [{{"name": "x", "value": {value}}}]}}'
    headers = {"Content-Type": "application/json"}
    answer = api.ok("POST", f"/sessions/{session}/execute", data=body, headers=headers)
    assert answer["consoleOutput"] == f"{shown or value}\n"


def test_outputs_are_encoded_as_json(api: Api, session: str) -> None:
    code = """
import numpy as np, pandas as pd
array = np.array([[1.5, np.nan], [np.inf, 2]])
frame = pd.DataFrame({"a": [1, 2], "t": ["p", None]})
when = pd.Timestamp("2024-02-29T12:00:00")
"""
    answer = api.execute(session, code, outputs=["array", "frame", "when"])
    values = {entry["name"]: entry["value"] for entry in answer["outputParameters"]}
    assert values == {
        "array": [[1.5, None], [None, 2.0]],
        "frame": {"a": [1, 2], "t": ["p", None]},
        "when": "2024-02-29T12:00:00",
    }


def test_the_console_has_everything_in_order(api: Api, session: str) -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')\n6 * 7"
    assert api.execute(session, code)["consoleOutput"] == "out\nerr\nout again\n42\n"


def test_output_below_python_is_seen_too(api: Api, session: str) -> None:
    answer = api.execute(session, "import os\n_ = os.system('echo from a child')")
    assert answer["consoleOutput"] == "from a child\n"


def test_code_that_raises_succeeds_with_the_reason(api: Api, session: str) -> None:
    answer = api.execute(session, "before = 1\nundefined_name\nafter = 1", outputs=["before"])
    assert answer["success"] is False
    assert answer["errorMessage"] == "NameError: name 'undefined_name' is not defined"
    assert any("undefined_name" in line for line in answer["traceback"])
    assert api.execute(session, "", outputs=["before"])["outputParameters"] == [{"name": "before", "value": 1}]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class A:\n    def __repr__(self): raise ValueError('r')\nA()", "ValueError: r"),
        ("class A:\n    def _repr_html_(self): raise KeyError('h')\nA()", "KeyError: 'h'"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E: (its text can't be shown: E)"),
    ],
)
def test_other_ways_to_fail(api: Api, session: str, code: str, message: str) -> None:
    answer = api.execute(session, code)
    assert answer["success"] is False
    assert message in answer["errorMessage"]
    assert api.execute(session, "1")["success"]


def test_an_output_that_is_not_there(api: Api, session: str) -> None:
    answer = api.execute(session, "x = 1", outputs=["x", "y"])
    assert answer["success"] is False
    assert "'y'" in answer["errorMessage"]
    assert answer["outputParameters"] == [{"name": "x", "value": 1}]


def test_an_output_without_a_json_form(api: Api, session: str) -> None:
    answer = api.execute(session, "x = object()", outputs=["x"])
    assert answer["success"] is False
    assert "'x'" in answer["errorMessage"]


@pytest.mark.parametrize("name", ["not a name", "", "class", "__builtins__", None])
def test_names_that_are_no_variables(api: Api, session: str, name: object) -> None:
    path = f"/sessions/{session}/execute"
    api.error("POST", path, 400, json={"code": "1", "inputParameters": [{"name": name, "value": 1}]})


def test_changed_files_are_named(api: Api, session: str) -> None:
    first = api.execute(session, "open('a.txt', 'w').write('1'); open('b.txt', 'w').write('1')")
    assert first["changedFiles"] == ["a.txt", "b.txt"]
    assert api.execute(session, "open('a.txt').read()")["changedFiles"] == []
    assert api.execute(session, "open('a.txt', 'a').write('2')")["changedFiles"] == ["a.txt"]


def test_executions_wait_for_each_other(api: Api, session: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    api.execute(session, "seen = []")
    code = "import time; seen.append(('in', n)); time.sleep(.05); seen.append(('out', n))"
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: api.execute(session, code, {"n": n}), range(4)))
    (seen,) = api.execute(session, "", outputs=["seen"])["outputParameters"]
    turns = seen["value"]
    assert all(begun[1] == ended[1] for begun, ended in zip(turns[::2], turns[1::2], strict=True))


def test_cancel_interrupts_and_the_session_lives_on(api: Api, session: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    begun = api.execute(session, "import os; here = os.path.abspath('begun')", outputs=["here"])
    file = begun["outputParameters"][0]["value"]
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(
            api.execute, session, "import time; open(here, 'w').close(); kept = 1\ntime.sleep(600)"
        )
        wait_until(Path(file).exists)
        assert isinstance(api.ok("POST", f"/sessions/{session}/cancel"), str)
        answer = running.result(30)
    assert answer["success"] is False
    assert answer["errorMessage"] == "KeyboardInterrupt"
    assert api.execute(session, "kept")["consoleOutput"] == "1\n"


def test_a_session_whose_process_ends_is_gone(api: Api) -> None:
    session = api.session()
    fault = api.error("POST", f"/sessions/{session}/execute", 410, json={"code": "import os; os._exit(3)"})
    assert "exit code 3" in fault["message"]
    api.error("POST", f"/sessions/{session}/execute", 410, json={"code": "1"})
    api.error("POST", f"/sessions/{session}/snapshot", 410, json={})
    assert session not in {entry["id"] for entry in api.ok("GET", "/sessions")}
    api.ok("DELETE", f"/sessions/{session}")
    api.error("POST", f"/sessions/{session}/execute", 404, json={"code": "1"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sessions/{}/execute"),
        ("POST", "/sessions/{}/cancel"),
        ("GET", "/sessions/{}"),
        ("GET", "/sessions/{}/console-output"),
        ("GET", "/sessions/{}/history"),
        ("GET", "/sessions/{}/executions/x/events"),
        ("POST", "/sessions/{}/complete"),
        ("POST", "/sessions/{}/inspect"),
        ("POST", "/sessions/{}/files"),
        ("GET", "/sessions/{}/files"),
        ("GET", "/sessions/{}/files/a.txt"),
        ("DELETE", "/sessions/{}/files/a.txt"),
        ("GET", "/sessions/{}/workspace"),
        ("POST", "/sessions/{}/workspace/x"),
        ("GET", "/sessions/{}/workspace/x"),
        ("DELETE", "/sessions/{}/workspace/x"),
        ("DELETE", "/sessions/{}"),
        ("DELETE", "/sessions/{}/force"),
        ("POST", "/sessions/{}/snapshot"),
        ("POST", "/sessions/{}/loadsnapshot/x"),
    ],
)
@pytest.mark.parametrize("identity", ["no-such", "0c5d7b06-87dd-45b2-8000-000000000000", "%2e%2e"])
def test_unknown_sessions(api: Api, method: str, path: str, identity: str) -> None:
    api.error(method, path.format(identity), 404, json={"code": "1"})


def test_force_closes_a_busy_session(api: Api) -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = api.session()
    file = api.execute(session, "import os; here = os.path.abspath('begun')", outputs=["here"])["outputParameters"][0]
    with ThreadPoolExecutor(1) as threads:
        code = "import time; open(here, 'w').close(); time.sleep(600)"
        running = threads.submit(api.send, "POST", f"/sessions/{session}/execute", json={"code": code})
        wait_until(Path(file["value"]).exists)
        api.ok("DELETE", f"/sessions/{session}/force")
        assert running.result(30).status_code == 410
    api.error("DELETE", f"/sessions/{session}", 404)


def test_user_code_sees_no_secret(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(DEPLOYR_CANARY="canary-7f3a", AWS_SECRET_ACCESS_KEY="canary-7f3a")
    api = Api(server)
    session = api.session()
    code = """
import os
environment = dict(os.environ)
descriptors = sorted({os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                      if os.path.exists(f"/proc/self/fd/{fd}")})
"""
    found = {
        entry["name"]: entry["value"]
        for entry in api.execute(session, code, outputs=["environment", "descriptors"])["outputParameters"]
    }
    assert not any("canary-7f3a" in value or server.password in value for value in found["environment"].values())
    assert not [path for path in found["descriptors"] if str(server.data_dir) in path and "scratch" not in path]


def test_siblings_draw_different_random_numbers(api: Api) -> None:
    code = "import random, numpy; drawn = [random.random(), numpy.random.random()]"
    sessions = [api.session(), api.session()]
    drawn = [api.execute(session, code, outputs=["drawn"])["outputParameters"][0]["value"] for session in sessions]
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]
    for session in sessions:
        api.ok("DELETE", f"/sessions/{session}")
