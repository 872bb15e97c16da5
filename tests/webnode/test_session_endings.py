"""What user code can do to its own session: what its call answers, how the session goes on, and what is left of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil
import pytest

from tests.api import Api
from tests.waiting import wait_until

# Leaves a process in the background that nobody waits for, in a session and a process group of its own.
WITH_DAEMON = """
import os, subprocess
pids = [os.getpid(), int(subprocess.check_output("setsid sh -c 'sleep 600 >/dev/null & echo $!'", shell=True))]
"""

BROKE_IT = "its code broke its kernel"

# Code that ends its process → how the answer says it did.
ENDS = {
    "os._exit": ("import os; os._exit(3)", "exit code 3"),
    "os._exit in a thread": (
        "import os, threading, time; threading.Thread(target=os._exit, args=[4]).start(); time.sleep(60)",
        "exit code 4",
    ),
    "exit()": ("exit()", "exit code 0"),
    "quit() in a function": ("def leave(): quit()\nleave()\nx = 1", "exit code 0"),
    "quit() and an error": ("quit()\n1 / 0", "exit code 0"),
    "exit() under a thread": (
        "import threading, time; threading.Thread(target=time.sleep, args=[600]).start(); exit()",
        "exit code 0",
    ),
    "do_shutdown": ("get_ipython().kernel.do_shutdown(False)", "exit code 0"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "SIGKILL": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "SIGTERM": ("import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "SIGTERM"),
    "abort": ("import os; os.abort()", "SIGABRT"),
    "all descriptors closed": ("import os; os.closerange(0, 4096)", "SIGABRT"),
    "its sockets closed": (
        "import gc, zmq\nfor it in gc.get_objects():\n    if isinstance(it, zmq.Socket): it.close(0)",
        BROKE_IT,
    ),
    "its contexts ended": (
        "import gc, zmq\nfor it in gc.get_objects():\n    if isinstance(it, zmq.Context): it.destroy(0)",
        BROKE_IT,
    ),
    "its messages broken": ("get_ipython().kernel.session = None", BROKE_IT),
    "no len": ("import builtins; del builtins.len", BROKE_IT),
    "no import": ("import builtins; builtins.__import__ = None", BROKE_IT),
    "a false isinstance": ("import builtins; builtins.isinstance = lambda *_: False", BROKE_IT),
    "no builtins": ("import builtins\nfor name in list(vars(builtins)): setattr(builtins, name, None)", BROKE_IT),
    "no modules": ("import sys; sys.modules.clear()", BROKE_IT),
}

# Code that its session survives → its errorMessage, and the console output of the next execution, `print(6 * 7)`.
SURVIVED = {
    "sys.exit()": ("import sys; sys.exit()", "SystemExit", "42\n"),
    "SystemExit": ("raise SystemExit(3)", "SystemExit: 3", "42\n"),
    "sys.exit in a thread": ("import sys, threading; threading.Thread(target=sys.exit).start()", "", "42\n"),
    "SIGINT to itself": ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt", "42\n"),
    "a thread that runs on": (
        "import threading, time\ndef on():\n    while True: time.sleep(.01)\nthreading.Thread(target=on).start()",
        "",
        "42\n",
    ),
    "a fork": ("import os, signal\nif not os.fork():\n    signal.pause()", "", "42\n"),
    "%reset -f": ("x = 1\n%reset -f", "", "42\n"),
    "elsewhere": ("import os; os.chdir('/')", "", "42\n"),
    "directory deleted": ("import os, shutil; shutil.rmtree(os.getcwd())", "", "42\n"),
    "output kept": ("import io, sys; sys.stdout = io.StringIO()", "", ""),
    "no output streams": ("import sys; sys.stdout = sys.stderr = None", "", "42\n"),
    "no streams at all": (
        "import sys; del sys.stdin, sys.stdout, sys.stderr",
        "AttributeError: module 'sys' has no attribute 'stdout'",
        "42\n",
    ),
    "output closed": ("import io, sys; sys.stdout = io.StringIO(); sys.stdout.close()", "", "42\n"),
    "output that is none": (
        "import sys; sys.stdout = object()",
        "AttributeError: 'object' object has no attribute 'flush'",
        "42\n",
    ),
    "junk on its output channel": ("get_ipython().kernel.iopub_socket.send(b'junk')", "", "42\n"),
    "a false message": (
        "k = get_ipython().kernel; _ = k.session.send(k.iopub_socket, 'stream', {}, parent=k.get_parent())",
        "",
        "42\n",
    ),
    "a shell without kernel": ("get_ipython().kernel = None", "", "42\n"),
    "a low limit of recursion": ("import sys; sys.setrecursionlimit(60)", "", "42\n"),
    "builtins rebound": ("import builtins; builtins.pow = builtins.complex = None", "", "42\n"),
}


@pytest.fixture(scope="module")
def bystander(api: Api) -> str:
    """A session in which `kept` is 7."""
    session = api.session()
    api.execute(session, "kept = 7")
    return session


def values(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["success"], answer
    return {entry["name"]: entry["value"] for entry in answer["outputParameters"]}


def processes(api: Api, session: str) -> list[psutil.Process]:
    """The session's own process, and one that it has left in the background."""
    return [psutil.Process(pid) for pid in values(api.execute(session, WITH_DAEMON, outputs=["pids"]))["pids"]]


def assert_all_ended(below: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


def assert_unharmed(api: Api, bystander: str) -> None:
    assert values(api.execute(bystander, "", outputs=["kept"])) == {"kept": 7}


@pytest.mark.parametrize(("code", "how"), ENDS.values(), ids=ENDS)
def test_code_that_ends_its_session(api: Api, bystander: str, code: str, how: str) -> None:
    session = api.session()
    below = processes(api, session)
    for asked in (code, "1"):
        message = api.error("POST", f"/sessions/{session}/execute", 410, json={"code": asked})["message"]
        assert message.startswith("The session has ended (")
        assert how in message
    assert_all_ended(below)
    assert session not in {entry["id"] for entry in api.ok("GET", "/sessions")}
    for path in ("cancel", "snapshot"):
        assert how in api.error("POST", f"/sessions/{session}/{path}", 410)["message"]
    api.ok("DELETE", f"/sessions/{session}")
    api.error("POST", f"/sessions/{session}/execute", 404, json={"code": "1"})
    api.error("DELETE", f"/sessions/{session}", 404)
    assert_unharmed(api, bystander)


@pytest.mark.parametrize(("code", "message", "printed"), SURVIVED.values(), ids=SURVIVED)
def test_code_that_its_session_survives(api: Api, bystander: str, code: str, message: str, printed: str) -> None:
    session = api.session()
    below = processes(api, session)
    assert api.execute(session, code)["errorMessage"] == message
    after = api.execute(session, "print(6 * 7)")
    assert (after["success"], after["consoleOutput"]) == (True, printed)
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    api.ok("DELETE", f"/snapshots/{made['snapshotId']}")
    below += below[0].children(recursive=True)
    assert all(process.is_running() for process in below)
    api.ok("DELETE", f"/sessions/{session}")
    assert_all_ended(below)
    assert_unharmed(api, bystander)


def test_what_a_session_left_running_ends_with_it_only(api: Api) -> None:
    stays, goes = api.session(), api.session()
    kept, ended = processes(api, stays), processes(api, goes)
    api.ok("DELETE", f"/sessions/{goes}")
    assert_all_ended(ended)
    assert all(process.is_running() for process in kept)
    api.ok("DELETE", f"/sessions/{stays}")
    assert_all_ended(kept)


def test_a_stopped_process_is_closed_by_force(api: Api, bystander: str) -> None:
    session = api.session()
    below = processes(api, session)
    with ThreadPoolExecutor(2) as threads:
        execute = partial(threads.submit, api.error, "POST", f"/sessions/{session}/execute", 410)
        waiting = [execute(json={"code": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"})]
        wait_until(lambda: below[0].status() == psutil.STATUS_STOPPED)
        waiting.append(execute(json={"code": "1"}))
        assert_unharmed(api, bystander)
        api.ok("DELETE", f"/sessions/{session}/force")
        for answer in waiting:
            assert answer.result(20)["message"].startswith("The session was closed; its variables")
    assert_all_ended(below)
    api.error("DELETE", f"/sessions/{session}", 404)
