"""Executions that are followed, stopped and helped with while they run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.api import ERROR_MEMBERS, Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

MB = 1024 * 1024
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def session(api: Api) -> Iterator[str]:
    identity = api.session()
    yield identity
    api.send("DELETE", f"/sessions/{identity}/force")


@pytest.fixture(scope="module")
def directory(api: Api, session: str) -> Path:
    (found,) = api.execute(session, "import os; here = os.getcwd()", outputs=["here"])["outputParameters"]
    return Path(found["value"])


def begin(api: Api, session: str, code: str, **members: Any) -> requests.Response:
    path = f"/sessions/{session}/execute"
    answer = api.send("POST", path, json={"code": code, **members}, headers=LINES, stream=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return answer


def lines(answer: requests.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.iter_lines(MB)]


def printed(messages: list[dict[str, Any]]) -> str:
    """What was written to standard output and standard error, however it was cut into messages."""
    return "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")


def follow(api: Api, session: str, execution: str, after: int = 0, **options: Any) -> requests.Response:
    return api.send("GET", f"/sessions/{session}/executions/{execution}/events?after={after}", **options)


WAITING = """
import os, time
open('begun', 'w').close()
while not os.path.exists('go'): time.sleep(.005)
os.unlink('go'); os.unlink('begun')
"""


def test_each_message_is_a_line(api: Api, session: str) -> None:
    code = """
import sys
from IPython.display import display, update_display, clear_output, HTML
print('out')
print('err', file=sys.stderr)
handle = display(HTML('<b>1</b>'), display_id='d')
update_display(HTML('<b>2</b>'), display_id='d')
clear_output(wait=True)
y = 42
y
"""
    answer = begin(api, session, code, outputParameters=["y"])
    *messages, last = lines(answer)
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    assert messages[0]["metadata"] == {"executionId": answer.headers["x-execution-id"]}
    said = [(message["msg_type"], message["content"]) for message in messages if message["msg_type"] != "status"]
    assert [kind for kind, _ in said] == [
        "stream",
        "stream",
        "display_data",
        "update_display_data",
        "clear_output",
        "execute_result",
    ]
    assert said[0][1] == {"name": "stdout", "text": "out\n"}
    assert said[1][1] == {"name": "stderr", "text": "err\n"}
    assert said[2][1]["data"]["text/html"] == "<b>1</b>"
    assert said[3][1]["data"]["text/html"] == "<b>2</b>"
    assert said[3][1]["transient"] == {"display_id": "d"}
    assert said[4][1] == {"wait": True}
    assert said[5][1]["data"] == {"text/plain": "42"}
    assert last["success"] is True
    assert last["outputParameters"] == [{"name": "y", "value": 42}]
    assert last["consoleOutput"].startswith("out\nerr\n")
    again = lines(follow(api, session, answer.headers["x-execution-id"]))
    assert again == [*messages, last]
    assert lines(follow(api, session, answer.headers["x-execution-id"], 3)) == [*messages[3:], last]


def test_an_error_is_a_line_too(api: Api, session: str) -> None:
    *messages, last = lines(begin(api, session, "1 / 0"))
    (error,) = (message["content"] for message in messages if message["msg_type"] == "error")
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert last["success"] is False
    assert last["errorMessage"] == "ZeroDivisionError: division by zero"


def test_lines_and_console_come_while_the_code_runs(api: Api, session: str, directory: Path) -> None:
    answer = begin(api, session, f"print('before')\n{WAITING}\nprint('after')")
    incoming = answer.iter_lines(MB)
    line: dict[str, Any] = {}
    while line.get("content", {}).get("text") != "before\n":
        line = json.loads(next(incoming))
    assert api.ok("GET", f"/sessions/{session}/console-output") == {"consoleOutput": "before\n"}
    assert api.ok("GET", f"/sessions/{session}/history")[-1].startswith("print('before')")
    (directory / "go").touch()
    *_, last = [json.loads(line) for line in incoming]
    assert last["consoleOutput"] == "before\nafter\n"
    assert api.ok("GET", f"/sessions/{session}/console-output") == {"consoleOutput": "before\nafter\n"}


def test_a_dropped_connection_does_not_stop_the_code(api: Api, session: str, directory: Path) -> None:
    answer = begin(api, session, f"print('one', flush=True)\n{WAITING}\nprint('two'); kept = 1")
    execution = answer.headers["x-execution-id"]
    wait_until((directory / "begun").exists)
    answer.close()
    (directory / "go").touch()
    *messages, last = lines(follow(api, session, execution, 1))
    assert printed(messages) == "one\ntwo\n"
    assert last["success"] is True
    assert api.execute(session, "kept")["consoleOutput"] == "1\n"


def test_several_may_follow(api: Api, session: str, directory: Path) -> None:
    answer = begin(api, session, f"{WAITING}\nfor n in range(100): print(n, flush=True)")
    with ThreadPoolExecutor(3) as threads:
        followers = [
            threads.submit(lambda: lines(follow(api, session, answer.headers["x-execution-id"], stream=True)))
            for _ in range(3)
        ]
        wait_until((directory / "begun").exists)
        (directory / "go").touch()
        everything = lines(answer)
        assert all(follower.result(30) == everything for follower in followers)
    text = "".join(message["content"]["text"] for message in everything if message.get("msg_type") == "stream")
    assert text == "".join(f"{n}\n" for n in range(100))


@pytest.mark.parametrize("execution", ["x", "00000000-0000-4000-8000-000000000000"])
def test_executions_that_are_not_there(api: Api, session: str, execution: str) -> None:
    fault = api.error("GET", f"/sessions/{session}/executions/{execution}/events", 404)
    assert "execution" in fault["message"]
    for after in ("-1", "x"):
        api.error("GET", f"/sessions/{session}/executions/{execution}/events?after={after}", 400)


def test_a_session_that_ends_says_so_in_the_last_line(api: Api) -> None:
    session = api.session()
    *messages, last = lines(
        begin(api, session, "print('here', flush=True)\nimport time; time.sleep(.2)\nimport os; os._exit(3)")
    )
    assert any(message["msg_type"] == "stream" for message in messages)
    assert last.keys() == ERROR_MEMBERS
    assert (last["code"], "exit code 3" in last["message"]) == (410, True)
    api.ok("DELETE", f"/sessions/{session}")


PRINTS = {
    "small lines": "for _ in range(200_000): print('x' * 500)",
    "large pieces": "for _ in range(300): print('x' * 1_000_000)",
    "without line ends": "import sys\nfor _ in range(100): sys.stdout.write('x' * 10_000_000)",
    "at once": "print('x' * 300_000_000)",
    "below Python": "import os\nfor _ in range(300): os.write(1, b'x' * 1_000_000)",
    "shown": "'x' * 300_000_000",
    "displays": "from IPython.display import display, HTML\nfor _ in range(10): display(HTML('x' * 11_000_000))",
}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    from tests import server_process

    running = server_process.start(tmp_path_factory.mktemp("output"))
    yield running
    running.stop()


@pytest.mark.parametrize("code", PRINTS.values(), ids=PRINTS)
def test_endless_output_is_cut_and_the_server_stays_small(own_server: ServerProcess, code: str) -> None:
    api = Api(own_server)
    session = api.session()
    process = psutil.Process(own_server.pid)
    before, peak, done = process.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        *messages, last = lines(begin(api, session, code))
    finally:
        done.set()
        watching.join()
    assert last["success"] is True
    assert len(last["consoleOutput"]) < 1_001_000
    said = json.dumps(messages)
    assert "output cut" in said or "not shown" in said or any(one["msg_type"] == "truncated" for one in messages)
    assert peak - before < 150 * MB
    assert api.execute(session, "print('still here')")["consoleOutput"] == "still here\n"
    api.ok("DELETE", f"/sessions/{session}/force")


BUSY = {
    "a Python loop": "while True: pass",
    "sleep": "import time; time.sleep(600)",
    "numpy in a loop": "import numpy as np\na = np.ones((500, 500))\nwhile True: a = a @ a / 500",
    "printing": "while True: print('x')",
}


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY)
def test_cancel_interrupts_within_a_second(api: Api, session: str, directory: Path, code: str) -> None:
    (directory / "begun").unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(api.execute, session, f"open('begun', 'w').close()\n{code}")
        wait_until((directory / "begun").exists)
        asked = time.monotonic()
        api.ok("POST", f"/sessions/{session}/cancel")
        answer = running.result(30)
    assert time.monotonic() - asked < 1
    assert answer["errorMessage"] == "KeyboardInterrupt"
    assert api.execute(session, "1")["success"]


def test_help_with_code(api: Api, session: str) -> None:
    api.execute(session, "def some_function(a, b=2):\n    'What it does.'\nsome_value = 1")
    reply = api.ok("POST", f"/sessions/{session}/complete", json={"code": "x = some_"})
    assert reply["status"] == "ok"
    assert {"some_function", "some_value"} <= set(reply["matches"])
    assert (reply["cursor_start"], reply["cursor_end"]) == (4, 9)
    reply = api.ok("POST", f"/sessions/{session}/complete", json={"code": "some_v + 1", "cursorPos": 6})
    assert reply["matches"] == ["some_value"]
    reply = api.ok("POST", f"/sessions/{session}/inspect", json={"code": "some_function(", "detailLevel": 1})
    assert reply["found"] is True
    assert "What it does." in reply["data"]["text/plain"]
    reply = api.ok("POST", f"/sessions/{session}/inspect", json={"code": "no_such_name"})
    assert reply["found"] is False


@pytest.mark.parametrize(
    "body", [{}, {"code": None}, {"code": 1}, {"code": "x", "cursorPos": -1}, {"code": "x", "cursorPos": 2}], ids=repr
)
@pytest.mark.parametrize("what", ["complete", "inspect"])
def test_help_with_no_place_in_code(api: Api, session: str, what: str, body: dict[str, Any]) -> None:
    api.error("POST", f"/sessions/{session}/{what}", 400, json=body)


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(600)"])
def test_help_while_code_runs(api: Api, session: str, directory: Path, code: str) -> None:
    (directory / "begun").unlink(missing_ok=True)
    api.execute(session, "some_value = 1")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(api.execute, session, f"open('begun', 'w').close(); print('runs', flush=True)\n{code}")
        wait_until((directory / "begun").exists)
        for _ in range(3):
            asked = time.monotonic()
            reply = api.ok("POST", f"/sessions/{session}/complete", json={"code": "some_v"})
            assert time.monotonic() - asked < 2
            assert reply["matches"] == ["some_value"]
            assert api.ok("POST", f"/sessions/{session}/inspect", json={"code": "some_value"})["found"]
        api.ok("POST", f"/sessions/{session}/cancel")
        answer = running.result(30)
    assert answer["errorMessage"] == "KeyboardInterrupt"
    assert answer["consoleOutput"] == "runs\n"


def test_history_has_what_was_executed(api: Api) -> None:
    session = api.session()
    assert api.ok("GET", f"/sessions/{session}/history") == []
    assert api.ok("GET", f"/sessions/{session}/console-output") == {"consoleOutput": ""}
    for code in ("a = 1", "b = (", "print(a)"):
        api.execute(session, code)
    assert api.ok("GET", f"/sessions/{session}/history") == ["a = 1", "b = (", "print(a)"]
    assert api.ok("GET", f"/sessions/{session}/console-output") == {"consoleOutput": "1\n"}
    api.ok("DELETE", f"/sessions/{session}")


def test_a_session_tells_of_itself(api: Api, start_server: Callable[..., ServerProcess]) -> None:
    session = api.session(name="told", client="notebooks/Iris.ipynb")
    path = f"/sessions/{session}"
    found = api.ok("GET", path)
    assert found["memory"] > MB
    assert found["idleSince"][:2] == "20"
    assert {name: found[name] for name in found if name not in ("memory", "idleSince", "pythonVersion")} == {
        "id": session,
        "name": "told",
        "owner": "admin",
        "runtimeType": "Python",
        "state": "idle",
        "executingSince": None,
        "client": "notebooks/Iris.ipynb",
    }
    (version,) = api.execute(session, "import platform; v = platform.python_version()", outputs=["v"])[
        "outputParameters"
    ]
    assert found["pythonVersion"] == version["value"]
    begin(api, session, "ballast = bytearray(50_000_000)\nimport time; time.sleep(600)")
    wait_until(lambda: api.ok("GET", path)["memory"] > found["memory"] + 45_000_000)
    busy = api.ok("GET", path)
    assert (busy["state"], busy["idleSince"]) == ("busy", None)
    assert busy["executingSince"] >= found["idleSince"]
    api.ok("DELETE", f"/sessions/{session}/force")


def test_the_environment(api: Api, session: str) -> None:
    found = api.ok("GET", "/environment")
    code = "import importlib.metadata as m, sys\nv = [sys.version.split()[0], m.version('numpy')]"
    (here,) = api.execute(session, code, outputs=["v"])["outputParameters"]
    assert [found["pythonVersion"], found["distributions"]["numpy"]] == here["value"]
    assert found.keys() == {"pythonVersion", "implementation", "platform", "distributions"}
