"""A session as an object: code, variables, files, snapshots; runs that outlive their connection."""

from __future__ import annotations

import gc
import io
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest

from jupyter_deployr.client import (
    BadRequest,
    DeployRClient,
    ExecutionFailed,
    ExecutionOutOfReach,
    Gone,
    NotFound,
    ServerUnreachable,
    Session,
    TimedOut,
    Timeouts,
    models,
)
from jupyter_deployr.client.executions import FollowedExecution
from tests.client.conftest import Request, StubServer
from tests.client.middlemen import Forwarder
from tests.client.rendezvous import Rendezvous
from tests.server_process import ServerProcess


@pytest.fixture
def session(client: DeployRClient) -> Iterator[Session]:
    with client.session("of a test") as session:
        yield session


def live(client: DeployRClient, session: Session) -> bool:
    return session.id in [each.id for each in client.list_sessions()]


# ----------------------------------------------------------------------------------------------------- birth and end


def test_a_block_ends_the_session_it_started(client: DeployRClient) -> None:
    with client.session("mine", label="some/notebook.ipynb") as session:
        assert repr(session) == f"<Session {session.id} 'mine' at {client.base_url}>"
        details = session.details()
        assert (details.name, details.client, details.state) == ("mine", "some/notebook.ipynb", "idle")
        with client.attach(session.id) as same:
            assert same.name == "mine"
            same.execute("kept = 1")
        assert session.execute("kept", outputs=["kept"]).outputs == {"kept": 1}
    assert not live(client, session)
    with pytest.raises((Gone, NotFound)):
        session.execute("1")
    with pytest.raises((Gone, NotFound)):
        client.attach(session.id)


def test_a_block_that_fails_ends_it_too(client: DeployRClient) -> None:
    with pytest.raises(ExecutionFailed), client.session() as session:
        session.execute("1 / 0")
    assert not live(client, session)


def test_one_that_is_closed_inside_is_fine(client: DeployRClient) -> None:
    with client.session() as session:
        session.close()
    assert not live(client, session)


def test_the_fault_of_the_block_is_the_one_that_is_told(stub: StubServer) -> None:
    stub.always(500, {"message": "No.", "code": 500, "exceptionType": "ServerFault"})
    with pytest.raises(ValueError, match="of the block"), Session(DeployRClient(stub.url), "id", ends=True):
        raise ValueError("of the block")
    with pytest.raises(Exception, match=r"^No\.$"), Session(DeployRClient(stub.url), "id", ends=True):
        pass


def test_it_shows_itself_without_markup(stub: StubServer) -> None:
    shown = Session(DeployRClient(stub.url), "id", name="<b>")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


# -------------------------------------------------------------------------------------------------------------- code


def test_code_with_inputs_and_outputs(session: Session) -> None:
    result = session.execute(
        "total = float(rows.__len__()) + n\nprint('said')\ntotal", {"rows": [1, 2], "n": 3}, ["total"]
    )
    assert (result.success, result.outputs, result.console_output) == (True, {"total": 5.0}, "said\n5.0\n")
    assert repr(result) == "<ExecutionResult: total=5.0>"
    assert session.execute("open('new.txt', 'w').close()").changed_files == ["new.txt"]
    assert session.console_output() == ""
    assert session.history()[-1] == "open('new.txt', 'w').close()"


def test_code_that_raises_raises_here(session: Session) -> None:
    with pytest.raises(ExecutionFailed, match=r"^ZeroDivisionError: division by zero$") as raised:
        session.execute("1 / 0")
    assert any("ZeroDivisionError" in line for line in raised.value.traceback)
    result = session.execute("1 / 0", check=False)
    assert (result.success, result.error_message) == (False, "ZeroDivisionError: division by zero")
    assert repr(result) == "<ExecutionResult failed: ZeroDivisionError: division by zero>"


def test_messages_come_while_the_code_runs(session: Session, rendezvous: Rendezvous) -> None:
    run = session.run(f"print('before', flush=True)\n{rendezvous.code}\ny = 6", outputs=["y"])
    texts = (event["content"]["text"] for event in run if event["msg_type"] == "stream")
    assert next(texts) == "before\n"  # the code waits for the rendezvous meanwhile
    rendezvous.wait()
    assert list(texts) == []
    assert run.result().outputs == {"y": 6}
    assert run.result().success


def test_on_event_hears_them_too(session: Session) -> None:
    heard: list[str] = []
    session.execute("print(1); 2", on_event=lambda event: heard.append(event["msg_type"]))
    assert [kind for kind in heard if kind != "status"] == ["stream", "execute_result"]


def test_a_run_is_found_again(client: DeployRClient, session: Session, rendezvous: Rendezvous) -> None:
    run = session.run(f"print('one', flush=True)\n{rendezvous.code}\nprint('two')\n7", outputs=[])
    first = next(event for event in run if event["msg_type"] == "stream")
    assert (first["content"]["text"], run.seen) == ("one\n", first["seq"])
    again = client.attach(session.id).reattach(run.id, run.seen)
    everything = client.attach(session.id).reattach(run.id)
    rendezvous.wait()
    rest = list(again)
    assert [event["seq"] for event in rest] == list(range(first["seq"] + 1, rest[-1]["seq"] + 1))
    assert list(everything)[first["seq"] :] == rest
    assert again.result().console_output == run.result().console_output == "one\ntwo\n7\n"
    with pytest.raises(NotFound):
        session.reattach("nothing")


def test_who_stops_to_follow_can_go_on(session: Session) -> None:
    run = session.run("print('one')\n8")
    next(run)
    run.close()
    run.close()
    assert [event["msg_type"] for event in run if event["msg_type"] != "status"] == ["stream", "execute_result"]
    assert run.result().console_output == "one\n8\n"


def test_nobody_who_follows_holds_a_connection_for_ever(session: Session) -> None:
    connections = len(psutil.Process().net_connections("tcp"))
    runs = [session.run("print('one')") for _ in range(3)]
    runs[0].result()
    next(runs[1])
    del runs
    gc.collect()
    assert len(psutil.Process().net_connections("tcp")) <= connections


def test_cancel_interrupts_and_the_session_lives_on(session: Session, rendezvous: Rendezvous) -> None:
    run = session.run(f"kept = 1\n{rendezvous.code}\nwhile True: pass")
    rendezvous.wait()
    session.cancel()
    assert "KeyboardInterrupt" in run.result().error_message
    assert session.execute("kept").console_output == "1\n"


def test_ctrl_c_interrupts_the_remote_code(
    session: Session, rendezvous: Rendezvous, press_ctrl_c: Callable[[], None]
) -> None:
    def press() -> None:
        rendezvous.wait()
        press_ctrl_c()

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        session.execute(f"kept = 2\n{rendezvous.code}\nwhile True: pass")
    finger.join()
    assert session.execute("kept").console_output == "2\n"


def test_a_stop_is_told_again_while_the_server_is_away(
    session: Session, rendezvous: Rendezvous, press_ctrl_c: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, told = DeployRClient.cancel_session, list[str]()

    def away_at_first(client: DeployRClient, session_id: str) -> None:
        told.append(session_id)
        if len(told) < 3:
            raise ServerUnreachable("There is nobody.")
        tell(client, session_id)

    monkeypatch.setattr(DeployRClient, "cancel_session", away_at_first)
    finger = threading.Thread(target=lambda: (rendezvous.wait(), press_ctrl_c()))
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        session.execute(f"kept = 3\n{rendezvous.code}\nwhile True: pass")
    finger.join()
    assert told == [session.id] * 3
    assert session.execute("kept").console_output == "3\n"


@pytest.mark.parametrize("moment", ["before the answer's head", "before the code runs", "while a message is shown"])
def test_a_ctrl_c_that_comes_early_stops_the_code_too(
    session: Session, monkeypatch: pytest.MonkeyPatch, press_ctrl_c: Callable[[], None], moment: str
) -> None:
    open_answer = FollowedExecution._open
    heard: list[str] = []

    def slowly(execution: FollowedExecution, *args: Any, **named: Any) -> None:
        open_answer(execution, *args, **named)
        if moment == "before the answer's head":
            press_ctrl_c()

    def on_event(event: dict[str, Any]) -> None:
        first = not heard
        heard.append(event["msg_type"])
        if first and moment == "before the code runs":
            press_ctrl_c()
        if event["msg_type"] == "stream" and moment == "while a message is shown":
            raise KeyboardInterrupt

    monkeypatch.setattr(FollowedExecution, "_open", slowly)
    with pytest.raises(KeyboardInterrupt):
        session.execute("print('runs', flush=True)\nwhile True: pass", on_event=on_event)
    monkeypatch.undo()
    assert "error" in heard  # its end was waited for
    assert session.execute("6 * 7").console_output == "42\n"


def test_after_an_interrupt_a_run_can_be_gone_on_with(
    session: Session, rendezvous: Rendezvous, press_ctrl_c: Callable[[], None], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)"
    run = session.run(f"print('one', flush=True)\n{rendezvous.code}\n{waiting}\nprint('two')")

    def press() -> None:
        rendezvous.wait()
        press_ctrl_c()

    finger = threading.Thread(target=press)
    finger.start()
    seen: list[dict[str, Any]] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(run)
    finger.join()
    gate.touch()
    rest = list(run)
    assert [event["seq"] for event in seen + rest] == list(range(1, rest[-1]["seq"] + 1))
    assert run.result().console_output == "one\ntwo\n"


def test_completion_and_help(session: Session) -> None:
    session.execute("def some_function():\n    'What it does.'")
    assert session.complete("some_f") == ["some_function"]
    assert "What it does." in session.inspect("some_function")
    assert session.inspect("no_such_name") == ""


# ------------------------------------------------------------------------------------------- connections that break


@pytest.fixture
def cutting(server: ServerProcess, session: Session) -> Iterator[tuple[Forwarder, Session]]:
    """A network that cuts connections, and the session as it is seen through it."""
    with (
        Forwarder(urlsplit(server.url).port or 0) as network,
        DeployRClient(f"http://127.0.0.1:{network.port}") as client,
    ):
        client.login(models.LoginRequest("admin", server.password))
        yield network, client.attach(session.id)


COUNTING = "import time\nfor n in range(6):\n    print('line', n, flush=True)\n    time.sleep(0.05)\n'the end'"


@pytest.mark.parametrize(
    "cuts",
    [[b"line 2"], [b"line 0", b"line 3", b"line 5"], [b"executionId"], [b"\r\n\r\n"], [b"the end"]],
    ids=["once", "three times", "after the first message", "after the head", "before the end"],
)
def test_a_cut_connection_is_taken_up_where_it_was(cutting: tuple[Forwarder, Session], cuts: list[bytes]) -> None:
    network, session = cutting
    session.execute("1")
    network.cut_at = list(cuts)
    before = network.connections
    run = session.run(COUNTING)
    events = list(run)
    assert network.cut_at == []
    assert network.connections > before
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    texts = "".join(event["content"]["text"] for event in events if event["msg_type"] == "stream")
    assert texts == "".join(f"line {n}\n" for n in range(6))
    assert run.result().console_output.endswith("'the end'\n")


def test_code_that_is_executed_is_not_executed_twice(cutting: tuple[Forwarder, Session]) -> None:
    network, session = cutting
    session.execute("count = 0")
    network.cut_at = [b"line 1", b"line 4"]
    result = session.execute(f"count += 1\n{COUNTING}", outputs=["count"])
    assert result.outputs == {"count": 1}
    assert network.cut_at == []


def test_a_network_that_stays_away_is_told_and_the_run_found_later(
    cutting: tuple[Forwarder, Session], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_deployr.client.executions._SERVER_AWAY_SECONDS", 0.5)
    monkeypatch.setattr("jupyter_deployr.client.retries._PAUSES", (0.01, 0.01))
    network, cut = cutting
    network.cut_at = [b"line 1"]
    run = cut.run(COUNTING)
    next(event for event in run if event["msg_type"] == "stream")
    network.__exit__(None, None, None)
    with pytest.raises(ExecutionOutOfReach, match=rf"client\.attach\('{session.id}'\)\.reattach\(") as raised:
        list(run)
    assert (raised.value.execution_id, raised.value.seen) == (run.id, run.seen)
    assert isinstance(raised.value, ServerUnreachable)
    rest = session.reattach(raised.value.execution_id, raised.value.seen)
    texts = "".join(event["content"]["text"] for event in rest if event["msg_type"] == "stream")
    assert texts.endswith("line 5\n")
    assert rest.result().success


@pytest.mark.parametrize("away", ["nobody answers", "a gateway answers"])
def test_a_server_that_is_away_is_waited_for(
    server: ServerProcess, session: Session, stub: StubServer, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    monkeypatch.setattr("jupyter_deployr.client.executions._LONGEST_PAUSE", 0.05)
    monkeypatch.setattr("jupyter_deployr.client.retries._PAUSES", (0.01, 0.01))
    left = 12  # more than were tried once
    reopen = FollowedExecution._reopen

    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        nonlocal left
        left -= 1
        return 502, {}, b"<html>Bad gateway</html>"

    stub.respond = respond

    def through_the_outage(execution: FollowedExecution) -> None:
        nonlocal left
        if left <= 0:
            reopen(execution)
        elif away == "a gateway answers":
            DeployRClient(stub.url).status()
        else:
            left -= 1
            DeployRClient("http://127.0.0.1:1").status()

    monkeypatch.setattr(FollowedExecution, "_reopen", through_the_outage)
    with Forwarder(urlsplit(server.url).port or 0) as network:
        client = DeployRClient(f"http://127.0.0.1:{network.port}")
        client.login(models.LoginRequest("admin", server.password))
        network.cut_at = [b"line 1"]
        heard: list[int] = []
        result = client.attach(session.id).execute(COUNTING, on_event=lambda event: heard.append(event["seq"]))
    assert left <= 0
    assert result.console_output.endswith("line 5\n'the end'\n")
    assert heard == list(range(1, len(heard) + 1))


def test_code_that_says_nothing_outlives_any_number_of_cuts(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a gateway that ends silent connections: each of them was held, so that nobody is away."""
    monkeypatch.setattr("jupyter_deployr.client.executions._HELD_SECONDS", 0)
    monkeypatch.setattr("jupyter_deployr.client.executions._SERVER_AWAY_SECONDS", 0.01)
    head = {"Content-Type": "application/x-ndjson", "X-Execution-Id": "e"}

    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        return 200, head, b"" if len(stub.requests) < 20 else b'{"success": true}\n'

    stub.respond = respond
    assert Session(DeployRClient(stub.url), "id").execute("1").success
    assert len(stub.requests) == 20


def test_one_who_waits_longest_is_told_how_to_get_back(client: DeployRClient, session: Session) -> None:
    impatient = DeployRClient(client.base_url, timeouts=Timeouts(execution=0.3))
    impatient.use_token(str(client._tokens.access_token()))
    with pytest.raises(
        TimedOut, match=r"After 0\.3 s the remote code still runs, and goes on: \.reattach\('"
    ) as raised:
        impatient.attach(session.id).execute("import time\nwhile 'go' not in globals(): time.sleep(0.02)")
    found = re.search(r"reattach\('(.*)', (\d+)\)", str(raised.value))
    assert found
    run = session.reattach(found[1], int(found[2]))
    session.cancel()
    assert "KeyboardInterrupt" in run.result().error_message


# --------------------------------------------------------------------------------------- variables, files, snapshots


def test_variables_go_and_come(session: Session) -> None:
    class Point:
        x = 3

    session.put("rows", np.arange(6).reshape(2, 3))
    session.put("twice", lambda value: 2 * value)
    session.put("point", Point())
    session.execute("answer = {'total': int(rows.sum()), 'seven': twice(3.5), 'x': point.x}")
    assert session.get("answer") == {"total": 15, "seven": 7.0, "x": 3}
    np.testing.assert_array_equal(session.get("rows"), [[0, 1, 2], [3, 4, 5]])
    assert session.objects() == ["answer", "point", "rows", "twice"]
    session.delete("point")
    with pytest.raises(NotFound):
        session.get("point")
    with pytest.raises(BadRequest, match="'stuck', a generator, can't be sent: TypeError") as raised:
        session.put("stuck", (n for n in ()))
    assert raised.value.fields == ("stuck",)
    session.execute("import sys, types\nsys.modules['elsewhere'] = m = types.ModuleType('elsewhere')\n"
                    "exec('class Local: pass', m.__dict__)\nthing = m.Local()")  # fmt: skip
    with pytest.raises(BadRequest, match="'thing' can't be loaded here: ModuleNotFoundError"):
        session.get("thing")


def test_files_go_and_come(session: Session, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_bytes(b"a,b\n1,2\n")
    session.upload(source)
    session.upload(str(source), "other.csv")
    session.upload(io.BytesIO(b"x"), "in memory")
    with source.open("rb") as opened:
        session.upload(opened, "opened.csv")
        session.upload(opened)
    with pytest.raises(BadRequest, match="give one as `name`"):
        session.upload(io.BytesIO(b"x"))
    session.execute("import os; os.mkdir('f'); open('f/deep', 'w').write('deep')")
    assert session.files() == ["f/deep", "in memory", "opened.csv", "other.csv", "rows.csv"]
    assert session.download("other.csv") == b"a,b\n1,2\n"
    assert session.download("f/deep", tmp_path) == tmp_path / "deep"
    assert session.download("f/deep", tmp_path / "named") == tmp_path / "named"
    assert (tmp_path / "deep").read_text() == (tmp_path / "named").read_text() == "deep"
    with pytest.raises(NotFound):
        session.download("nothing", tmp_path / "named")
    assert (tmp_path / "named").read_text() == "deep"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "named", "rows.csv"]
    session.delete_file("f/deep")
    assert "f/deep" not in session.files()


@pytest.mark.parametrize("name", ["..", "a/..", "a\\..", ""])
def test_no_name_leads_out_of_a_folder(stub: StubServer, tmp_path: Path, name: str) -> None:
    stub.always(200, b"content")
    with pytest.raises(BadRequest, match="can't be"):
        Session(DeployRClient(stub.url), "id").download(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_snapshots_are_made_and_loaded(client: DeployRClient, session: Session) -> None:
    session.execute("a = [1]; b = 2; import threading; lock = threading.Lock()")
    made = session.snapshot("of a test", only=["a", "lock"])
    assert [each.name for each in made.not_kept or []] == ["lock"]
    with pytest.raises(BadRequest):
        session.snapshot(strict=True, drop=["b"])
    session.execute("a = None")
    assert session.load(made).differences == []
    assert session.get("a") == [1]
    (stored,) = [each for each in client.list_snapshots() if each.id == made.snapshot_id]
    for snapshot in (stored, made, made.snapshot_id):
        assert snapshot
        with client.session(snapshot=snapshot) as other:
            assert other.objects() == ["a"]
    client.delete_snapshot(str(made.snapshot_id))
    with pytest.raises(NotFound):
        client.session(snapshot=made)


def test_the_progress_of_a_snapshot_is_told(stub: StubServer) -> None:
    lines = b'{"name": "a", "written": 5}\n{"snapshotId": "s"}\n'
    stub.respond = lambda request: (200, {"Content-Type": "application/x-ndjson"}, lines)
    told: list[Any] = []
    made = Session(DeployRClient(stub.url), "id").snapshot(on_progress=told.append)
    assert made.snapshot_id == "s"
    assert told == [models.SnapshotProgress("a", 5)]
