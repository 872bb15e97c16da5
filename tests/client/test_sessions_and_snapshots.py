"""Each operation on sessions and snapshots, against a running server."""

from __future__ import annotations

import re
import threading
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_deployr.client import (
    BadRequest,
    DeployRClient,
    DeployRError,
    NotFound,
    models,
)
from jupyter_deployr.protocol.models import (
    CreateSessionRequest,
    CreateSnapshotRequest,
    ExecuteRequest,
    PublishWebServiceRequest,
    WorkspaceObject,
)


def run(client: DeployRClient, session_id: str, code: str, *outputs: str, **inputs: Any) -> dict[str, Any]:
    given = [WorkspaceObject(name, value) for name, value in inputs.items()]
    response = client.execute_code(session_id, ExecuteRequest(code, given, list(outputs)))
    assert response.success, response.error_message
    return {str(each.name): each.value for each in response.output_parameters or []}


def test_a_session_from_birth_to_end(client: DeployRClient) -> None:
    created = client.create_session(CreateSessionRequest("Session 1", runtime_type="Python"))
    assert created.session_id
    mine = {session.id: session for session in client.list_sessions()}
    assert mine[created.session_id] == models.Session(created.session_id, "Session 1", "admin", "Python")
    assert run(client, created.session_id, "a = 20 + b", "a", b=1) == {"a": 21}
    assert run(client, created.session_id, "a = a * 2", "a", "b") == {"a": 42, "b": 1}
    assert isinstance(client.close_session(created.session_id), str)
    assert created.session_id not in [session.id for session in client.list_sessions()]
    with pytest.raises(DeployRError) as raised:
        client.execute_code(created.session_id, ExecuteRequest("1"))
    assert raised.value.status in (404, 410)


def test_console_output_has_prints_and_the_last_expression_in_order(client: DeployRClient, session_id: str) -> None:
    response = client.execute_code(
        session_id, ExecuteRequest("import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7")
    )
    assert response.success
    assert response.error_message == ""
    assert (response.console_output or "").split() == ["out", "err", "42"]


def test_code_that_raises_is_an_answer(client: DeployRClient, session_id: str) -> None:
    response = client.execute_code(session_id, ExecuteRequest("before = 1\n1 / 0\nafter = 1"))
    assert response.success is False
    assert response.error_message == "ZeroDivisionError: division by zero"
    assert "1 / 0" in re.sub(r"\x1b\[[\d;]*m", "", "\n".join(response.traceback or []))
    assert run(client, session_id, "", "before") == {"before": 1}


def test_code_that_does_not_compile_is_an_answer(client: DeployRClient, session_id: str) -> None:
    response = client.execute_code(session_id, ExecuteRequest("a = = 1"))
    assert response.success is False
    assert (response.error_message or "").startswith("SyntaxError")


def test_inputs_may_be_any_json_arrays_and_frames(client: DeployRClient, session_id: str) -> None:
    values = {
        "text": "Grüße",
        "nested": {"a": [1, None, {"b": False}]},
        "array": np.arange(6.0).reshape(2, 3),
        "frame": pd.DataFrame({"n": [1, 2], "t": ["p", "q"]}),
    }
    assert run(client, session_id, "", *values, **values) == {
        "text": "Grüße",
        "nested": {"a": [1, None, {"b": False}]},
        "array": [[0, 1, 2], [3, 4, 5]],
        "frame": {"n": [1, 2], "t": ["p", "q"]},
    }


def test_cancel_interrupts_and_the_session_lives_on(client: DeployRClient, session_id: str, rendezvous: Any) -> None:
    answers: list[models.ExecuteResponse] = []
    code = f"kept = 1\n{rendezvous.code}\nwhile True: pass"
    running = threading.Thread(target=lambda: answers.append(client.execute_code(session_id, ExecuteRequest(code))))
    running.start()
    rendezvous.wait()
    assert isinstance(client.cancel_session(session_id), str)
    running.join(30)
    assert answers[0].success is False
    assert "KeyboardInterrupt" in (answers[0].error_message or "")
    assert run(client, session_id, "", "kept") == {"kept": 1}


def test_force_ends_a_busy_session(client: DeployRClient, session_id: str, rendezvous: Any) -> None:
    outcomes: list[object] = []

    def execute() -> None:
        try:
            outcomes.append(client.execute_code(session_id, ExecuteRequest(f"{rendezvous.code}\nwhile True: pass")))
        except DeployRError as error:
            outcomes.append(error)

    running = threading.Thread(target=execute)
    running.start()
    rendezvous.wait()
    assert isinstance(client.close_session_by_force(session_id), str)
    running.join(30)
    assert len(outcomes) == 1
    assert session_id not in [session.id for session in client.list_sessions()]


@pytest.mark.parametrize("unknown", ["nowhere", "0" * 32, str(uuid.UUID(int=7))])
def test_unknown_sessions_and_snapshots_are_not_found(client: DeployRClient, session_id: str, unknown: str) -> None:
    for attempt in (
        lambda: client.execute_code(unknown, ExecuteRequest("1")),
        lambda: client.cancel_session(unknown),
        lambda: client.close_session(unknown),
        lambda: client.close_session_by_force(unknown),
        lambda: client.create_snapshot(unknown, CreateSnapshotRequest("x")),
        lambda: client.load_snapshot(session_id, unknown),
        lambda: client.delete_snapshot(unknown),
        lambda: client.create_session(CreateSessionRequest("x", unknown, "Python")),
        lambda: client.publish_web_service_version("Nothing", "1", PublishWebServiceRequest(unknown, "y = 1")),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_another_runtime_is_refused(client: DeployRClient) -> None:
    with pytest.raises(BadRequest, match="R"):
        client.create_session(CreateSessionRequest("x", runtime_type="R"))


def test_a_snapshot_from_birth_to_end(client: DeployRClient, session_id: str) -> None:
    run(client, session_id, "a = [1, 2]\nopen('notes.txt', 'w').write('hello')")
    created = client.create_snapshot(session_id, CreateSnapshotRequest("of a test"))
    assert created.snapshot_id
    assert not created.not_kept
    mine = {snapshot.id: snapshot for snapshot in client.list_snapshots()}[created.snapshot_id]
    assert (mine.name, mine.owner) == ("of a test", "admin")
    assert mine.content_size
    assert mine.creation_time

    run(client, session_id, "a = None; b = 3; import os; os.remove('notes.txt')")
    client.load_snapshot(session_id, created.snapshot_id)
    assert run(client, session_id, "notes = open('notes.txt').read()", "a", "b", "notes") == {
        "a": [1, 2],
        "b": 3,
        "notes": "hello",
    }
    preloaded = client.create_session(CreateSessionRequest("x", created.snapshot_id, "Python")).session_id
    assert preloaded
    assert run(client, preloaded, "", "a") == {"a": [1, 2]}
    client.close_session(preloaded)

    assert isinstance(client.delete_snapshot(created.snapshot_id), str)
    assert created.snapshot_id not in [snapshot.id for snapshot in client.list_snapshots()]
    with pytest.raises(NotFound):
        client.delete_snapshot(created.snapshot_id)


def test_what_a_snapshot_can_not_keep_is_named(client: DeployRClient, session_id: str) -> None:
    run(client, session_id, "import threading\nlock = threading.Lock()\nfine = 1")
    created = client.create_snapshot(session_id, CreateSnapshotRequest())
    assert created.snapshot_id
    (unkept,) = created.not_kept or []
    assert (unkept.name, unkept.type.rpartition(".")[2]) == ("lock", "lock")
    assert unkept.reason
    client.delete_snapshot(created.snapshot_id)
