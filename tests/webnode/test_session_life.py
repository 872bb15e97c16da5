"""How sessions live and end without anybody ending them: started in advance, idle, left behind, leaving nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.test_session_endings import values

Start = Callable[..., ServerProcess]

IDLE_SECONDS = 2


def homes(server: ServerProcess) -> set[str]:
    """The names of the directories of sessions, live or started in advance."""
    return {path.name for path in (server.data_dir / "scratch").glob("session-*")}


def sockets(server: ServerProcess) -> Path:
    """Where the server's sessions have their sockets."""
    digest = hashlib.sha256(os.fsencode((server.data_dir / "scratch").resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"deployr-{os.getuid()}-{digest}"


def zygote(server: ServerProcess) -> psutil.Process:
    (found,) = psutil.Process(server.pid).children()
    return found


def kernels(server: ServerProcess) -> set[int]:
    """The processes forked from the zygote, here all of them sessions."""
    children = psutil.Process(server.pid).children()
    return {process.pid for child in children for process in child.children()}


def descriptors(server: ServerProcess) -> Counter[str]:
    """What the server has open, by kind; connections to its database and from clients come and go."""
    kinds: Counter[str] = Counter()
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            kinds[str(link.readlink()).partition(":")[0]] += 1
    return Counter({kind: count for kind, count in kinds.items() if "sqlite" not in kind})


def pid_of(api: Api, session: str) -> int:
    answer = values(api.execute(session, "import os; pid = os.getpid()", outputs=["pid"]))
    return int(answer["pid"])


def listed(api: Api) -> set[str]:
    return {entry["id"] for entry in api.ok("GET", "/sessions")}


# --------------------------------------------------------------------------------------------------- in advance


def test_sessions_are_started_in_advance(start_server: Start) -> None:
    server = start_server("--ServeApp.warm_sessions=2", "--ServeApp.max_sessions=2", "--debug")
    api = Api(server)
    log = server.data_dir.parent / "server.log"
    wait_until(lambda: "sessions ready: 2" in log.read_text())
    ready = kernels(server)
    # Both are taken and used by somebody; they don't count against the limit before that.
    sessions = [api.session() for _ in range(2)]
    assert {pid_of(api, session) for session in sessions} == ready
    api.error("POST", "/sessions", 503, json={})
    drawn = "import random, numpy; drawn = [random.random(), numpy.random.random()]"
    first, second = (values(api.execute(session, drawn, outputs=["drawn"]))["drawn"] for session in sessions)
    assert not {*first} & {*second}
    # Others take their place.
    wait_until(lambda: len(kernels(server)) == 4)


def test_a_session_that_died_in_advance_is_not_handed_out(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    wait_until(lambda: len(kernels(server)) == 1)
    (dead,) = kernels(server)
    wait_until(lambda: len(homes(server)) == 1)
    os.kill(dead, signal.SIGKILL)
    session = api.session()
    assert pid_of(api, session) != dead
    api.ok("DELETE", f"/sessions/{session}")
    wait_until(lambda: len(kernels(server) - {dead}) == 1 and len(homes(server)) == 1)


def test_none_are_started_in_advance_when_none_are_wanted(start_server: Start) -> None:
    server = start_server("--ServeApp.warm_sessions=0")
    api = Api(server)
    session = api.session()
    assert kernels(server) == {pid_of(api, session)}
    api.ok("DELETE", f"/sessions/{session}")
    assert not homes(server)


def test_when_the_zygote_ends(start_server: Start) -> None:
    server = start_server()
    api = Api(server)
    session = api.session()
    wait_until(lambda: len(kernels(server)) == 2)
    first = zygote(server)
    first.kill()
    first.wait(10)
    message = api.error("POST", f"/sessions/{session}/execute", 410, json={"code": "1"})["message"]
    assert "the process that all sessions are forked from has ended" in message
    # The next is there without anybody asking for a session.
    wait_until(lambda: len(kernels(server)) == 1)
    assert values(api.execute(api.session(), "x = 1", outputs=["x"])) == {"x": 1}
    assert listed(api) != {session}


def test_everything_ends_with_a_killed_server(start_server: Start) -> None:
    server = start_server("--ServeApp.warm_sessions=2")
    api = Api(server)
    session = api.session()
    daemon = "import os; _ = os.system(\"setsid sh -c 'sleep 600 >/dev/null &'\")"
    assert api.execute(session, daemon)["success"]
    wait_until(lambda: len(kernels(server)) == 3)
    below = psutil.Process(server.pid).children(recursive=True)
    assert any(process.name() == "sleep" for process in below)
    server.kill()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
    assert homes(server)
    assert any(sockets(server).iterdir())
    again = start_server("--ServeApp.warm_sessions=0")
    assert not homes(again)
    assert not any(sockets(again).iterdir())
    for request in ("execute", "cancel", "snapshot"):
        Api(again).error("POST", f"/sessions/{session}/{request}", 404, json={"code": "1"})
    again.terminate()
    assert not sockets(again).exists()


# --------------------------------------------------------------------------------------------------------- idle


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that closes sessions soon, and has one place more than the tests that share it need."""
    from tests import server_process

    arguments = (f"--ServeApp.idle_session_seconds={IDLE_SECONDS}", "--ServeApp.warm_sessions=0")
    running = server_process.start(tmp_path_factory.mktemp("hasty"), *arguments, "--ServeApp.max_sessions=3")
    yield running
    running.stop()


def test_an_idle_session_is_closed(hasty: ServerProcess) -> None:
    api = Api(hasty)
    session = api.session()
    pid = pid_of(api, session)
    # Being looked at doesn't count as use.
    wait_until(lambda: session not in listed(api))
    expected = (
        f"The session was closed after {IDLE_SECONDS} seconds without use; its variables and files are lost."
        " Create a new session."
    )
    for path in ("execute", "cancel", "snapshot"):
        assert api.error("POST", f"/sessions/{session}/{path}", 410, json={"code": "1"})["message"] == expected
    wait_until(lambda: not psutil.pid_exists(pid))
    wait_until(lambda: not homes(hasty))
    api.ok("DELETE", f"/sessions/{session}")
    api.error("DELETE", f"/sessions/{session}", 404)


def test_busy_is_not_idle(hasty: ServerProcess) -> None:
    api = Api(hasty)
    busy, idle = api.session(), api.session()
    with ThreadPoolExecutor(2) as threads:
        code = f"import time; time.sleep({2 * IDLE_SECONDS})"
        running = threads.submit(api.execute, busy, code)
        waiting = threads.submit(api.execute, busy, "after = 1", outputs=["after"])
        wait_until(lambda: idle not in listed(api))
        assert busy in listed(api)
        assert running.result(60)["success"]
        ended = time.monotonic()
        assert values(waiting.result(60)) == {"after": 1}
    # It becomes idle with the end of its last request, not with the beginning.
    wait_until(lambda: busy not in listed(api))
    assert time.monotonic() - ended >= IDLE_SECONDS


def test_any_request_is_use(hasty: ServerProcess) -> None:
    api = Api(hasty)
    used, idle = api.session(), api.session()

    def both_asked() -> bool:
        api.ok("POST", f"/sessions/{used}/cancel")
        return idle not in listed(api)

    wait_until(both_asked)
    assert used in listed(api)
    assert values(api.execute(used, "x = 1", outputs=["x"])) == {"x": 1}


def test_an_idle_session_gives_its_place_back(hasty: ServerProcess, tmp_path: Path) -> None:
    api = Api(hasty)
    wait_until(lambda: not listed(api))
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(.05)"
    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(lambda: api.execute(api.session(), code)) for _ in range(3)]
        wait_until(lambda: len(listed(api)) == 3)
        assert "All 3 sessions are taken" in api.error("POST", "/sessions", 503, json={})["message"]
        gate.touch()
        assert all(execution.result(60)["success"] for execution in running)
    wait_until(lambda: api.send("POST", "/sessions", json={}).status_code == 201)


# ------------------------------------------------------------------------------------------------------- nothing


def test_twenty_sessions_leave_nothing(start_server: Start) -> None:
    server = start_server("--ServeApp.warm_sessions=0")
    api = Api(server)
    process = psutil.Process(server.pid)
    api.ok("DELETE", f"/sessions/{api.session()}")
    before, threads, below = descriptors(server), process.num_threads(), len(process.children(recursive=True))

    def use(number: int) -> str:
        session = api.session()
        match number % 4:
            case 0:
                api.ok("DELETE", f"/sessions/{session}")
            case 1:
                api.error("POST", f"/sessions/{session}/execute", 410, json={"code": "import os; os._exit(1)"})
            case 2:
                os.kill(pid_of(api, session), signal.SIGKILL)
            case 3:
                body = {"code": "import time; time.sleep(600)"}
                running = together.submit(api.send, "POST", f"/sessions/{session}/execute", json=body)
                api.ok("DELETE", f"/sessions/{session}/force")
                assert running.result(60).status_code in (404, 410)
        return session

    with ThreadPoolExecutor(4) as users, ThreadPoolExecutor(4) as together:
        sessions = list(users.map(use, range(20)))
    wait_until(lambda: not listed(api))
    api.http.close()  # connections are kept for more than a minute
    wait_until(lambda: not homes(server) and not any(sockets(server).iterdir()))
    wait_until(lambda: len(process.children(recursive=True)) == below)
    wait_until(lambda: descriptors(server) <= before), descriptors(server) - before
    # The server's pool of threads may have grown to its size, but not by one for each session.
    assert process.num_threads() - threads < 20
    gone = {0: 404, 1: 410, 2: 410, 3: 404}
    for number, session in enumerate(sessions):
        api.error("POST", f"/sessions/{session}/execute", gone[number % 4], json={"code": "1"})
