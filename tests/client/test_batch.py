"""A batch as an object: waited for with a bar, its results as they come, its files; Ctrl-C leaves it running."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from jupyter_deployr.client import (
    BadRequest,
    Batch,
    BatchStatus,
    DeployRClient,
    ExecutionFailed,
    InvalidInputs,
    NotFound,
    ServerUnreachable,
    Service,
    TimedOut,
)
from jupyter_deployr.protocol.models import ParameterDefinition, PublishWebServiceRequest
from tests.client.conftest import Request, StubServer
from tests.server_process import ServerProcess, environment
from tests.waiting import wait_until

# A record whose file is there ends at once; the others wait for theirs.
CODE = """
import pathlib, time
while gate and not pathlib.Path(gate).exists():
    time.sleep(0.02)
y = 2 / x
open('half.txt', 'w').write(str(x / 2))
"""


@pytest.fixture
def service(client: DeployRClient) -> Iterator[Service]:
    name = f"Batch-{uuid.uuid4().hex[:8]}"
    request = PublishWebServiceRequest(
        code=CODE,
        input_parameter_definitions=[
            ParameterDefinition("x", "numeric"),
            ParameterDefinition("gate", "character", default=""),
        ],
        output_parameter_definitions=[ParameterDefinition("y", "numeric")],
        output_file_names=["half.txt"],
    )
    client.publish_web_service_version(name, "V1", request)
    yield client.service(name, "V1")
    for batch in client.service(name, "V1").batches():
        batch.cancel()
    client.delete_web_service_version(name, "V1")


def gated(service: Service, folder: Path, count: int) -> tuple[Batch, list[Path]]:
    """A batch of which each record waits until its file is made."""
    gates = [folder / f"gate-{index}" for index in range(count)]
    records = [{"x": index + 1, "gate": str(gate)} for index, gate in enumerate(gates)]
    return service.batch(records, parallel_count=2, progress=False), gates


def test_from_start_to_end(service: Service, client: DeployRClient, tmp_path: Path) -> None:
    batch = service.batch([{"x": 1}, {"x": 0}, {"x": np.float64(4)}])
    assert batch.wait(timeout=60) == BatchStatus("Complete", 3, 3)
    assert batch.status().ended
    assert len(batch) == 3
    results = batch.results()
    assert [result.index for result in results] == [0, 1, 2]
    assert [result.outputs.get("y") for result in results] == [2.0, None, 0.5]
    assert results[0].value == 2.0
    with pytest.raises(ExecutionFailed, match=r"^Record 1: ZeroDivisionError"):
        _ = results[1].value
    assert [repr(result) for result in batch] == [repr(result) for result in results]
    assert repr(results[2]) == "<CallResult 2: y=0.5>"

    assert batch.files(2) == ["half.txt"]
    assert batch.download(2, "half.txt") == b"2.0"
    assert batch.download(2, "half.txt", tmp_path) == tmp_path / "half.txt"
    assert batch.download(0, "half.txt", tmp_path / "first") == tmp_path / "first"
    assert (tmp_path / "half.txt").read_text() == "2.0"
    assert (tmp_path / "first").read_text() == "0.5"

    found = client.batch(service.name, "V1", batch.id)
    assert [result.outputs.get("y") for result in found] == [2.0, None, 0.5]
    assert [each.id for each in service.batches()] == [batch.id]
    batch.cancel()
    for attempt in (batch.status, batch.results, batch.wait, batch.cancel, lambda: batch.files(0)):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(NotFound):
        client.batch(service.name, "V1", batch.id)


def test_the_rows_of_a_frame_are_records(service: Service) -> None:
    batch = service.batch(pd.DataFrame({"x": [1, 2]}))
    assert [result.value for result in batch] == [2.0, 1.0]


def test_results_come_one_by_one(service: Service, tmp_path: Path) -> None:
    batch, gates = gated(service, tmp_path, 3)
    coming = iter(batch)
    for index, gate in enumerate(gates):
        assert batch.status().ended is False
        assert len(batch.results()) <= index
        gate.touch()
        result = next(coming)
        assert (result.index, result.value) == (index, 2 / (index + 1))
    assert list(coming) == []
    assert batch.status() == BatchStatus("Complete", 3, 3)


def test_what_can_not_be_started(service: Service) -> None:
    for records, kind in (([], BadRequest), ([{"x": object()}], InvalidInputs)):
        with pytest.raises(kind):
            service.batch(records)
    with pytest.raises(BadRequest):
        service.batch([{"x": 1}], parallel_count=0)
    assert service.batches() == []


def test_who_does_not_want_to_wait_longer(service: Service, tmp_path: Path) -> None:
    batch, gates = gated(service, tmp_path, 2)
    gates[0].touch()
    wait_until(lambda: batch.status().completed == 1)
    with pytest.raises(TimedOut, match=r"After 0\.2 s, 1 of 2 records are done\. The batch .* goes on"):
        batch.wait(timeout=0.2)
    gates[1].touch()
    assert batch.wait(timeout=60).state == "Complete"


@pytest.mark.parametrize("how", ["wait", "iterate"])
def test_ctrl_c_leaves_it_running_and_says_how_to_get_back(
    service: Service, client: DeployRClient, tmp_path: Path, press_ctrl_c: Callable[[], None], how: str
) -> None:
    batch, gates = gated(service, tmp_path, 1)
    looks = 0
    ask = client.get_batch_execution_status

    def press(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            press_ctrl_c()
        return ask(*args)

    client.get_batch_execution_status = press  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt) as raised:
        batch.wait() if how == "wait" else list(batch)
    found = f"client.batch('{service.name}', 'V1', '{batch.id}')"
    assert (
        str(raised.value)
        == f"The batch {batch.id} goes on in the server: {found} finds it again, its .cancel() ends it."
    )
    gates[0].touch()
    again = eval(found)
    assert [result.value for result in again] == [2.0]


# ------------------------------------------------------------------------------------- what a server says only rarely


LATER = b'{"message": "Later.", "code": 503, "exceptionType": "Unavailable"}'


def answers(stub: StubServer, *statuses: dict[str, Any] | None) -> None:
    """The statuses, one after the other; None is a server that is away, or a gateway before it."""
    left = list(statuses)

    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        status = left.pop(0) if len(left) > 1 else left[0]
        if status is None:
            away = len(stub.requests) % 2
            return (503, {"Retry-After": "0"}, LATER) if away else (502, {"Retry-After": "0"}, b"<html>Bad gateway")
        partial = "showPartialResults=true" in request.path or status["state"] == "Complete"
        return 200, {}, json.dumps({**status, "batchExecutionResults": status["results"] if partial else []}).encode()

    stub.respond = respond


def status(state: str, done: int, total: int, results: int = 0, error: str = "") -> dict[str, Any]:
    shown = [{"success": True, "outputParameters": {"y": index}} for index in range(results)]
    return {
        "state": state,
        "completedItemCount": done,
        "totalItemCount": total,
        "errorMessage": error,
        "results": shown,
    }


def stub_batch(stub: StubServer) -> Batch:
    return Batch(DeployRClient(stub.url), "<b>", "1", "id", [ParameterDefinition("y", "integer")], progress=False)


def test_a_batch_that_failed_as_a_whole(stub: StubServer) -> None:
    answers(stub, status("InProgress", 1, 3, 1), status("Failed", 1, 3, 3, "The version was deleted."))
    batch = stub_batch(stub)
    with pytest.raises(ExecutionFailed, match=r"^The batch failed: The version was deleted\.$"):
        batch.wait()
    assert batch.status() == BatchStatus("Failed", 1, 3, "The version was deleted.")
    assert [result.index for result in batch] == [0, 1, 2]


def test_a_server_that_restarts_is_waited_for(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_deployr.client.batch._LONGEST_PAUSE", 0.01)
    answers(stub, None, None, None, status("InProgress", 0, 1), None, None, None, status("Complete", 1, 1, 1))
    assert stub_batch(stub).wait().completed == 1
    answers(stub, status("InProgress", 0, 1), None, None, None, status("Complete", 1, 1, 1))
    assert [result.value for result in stub_batch(stub)] == [0]


def test_one_that_stays_away_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_deployr.client.batch._SERVER_AWAY_SECONDS", 0)
    monkeypatch.setattr("jupyter_deployr.client.retries._PAUSES", (0, 0))
    with pytest.raises(ServerUnreachable):
        Batch(DeployRClient("http://127.0.0.1:1"), "a", "1", "id", []).wait()


def test_it_shows_itself_without_markup(stub: StubServer) -> None:
    assert "&lt;b&gt;" in stub_batch(stub)._repr_html_()
    assert repr(stub_batch(stub)) == f"<Batch id of <b> 1 at {stub.url}>"


# --------------------------------------------------------------------------------------------------------------- bars

SCRIPT = """
from jupyter_deployr.client import connect
batch = connect().service({name!r}, "V1").batch([{{"x": 1}}, {{"x": 2}}])
print("state", batch.wait().state)
"""
ITERATING = """
from jupyter_deployr.client import connect
batch = connect().service({name!r}, "V1").batch([{{"x": 1}}, {{"x": 2}}]{wanted})
values = [result.value for result in batch]
again = [result.value for result in batch]
print("values", values, again == values)
"""


def variables(server: ServerProcess, home: Path) -> dict[str, str]:
    return environment(home, DEPLOYR_SERVER=server.url, DEPLOYR_PASSWORD=server.password)


def on_terminal(code: str, server: ServerProcess, home: Path) -> str:
    """What a program shows on a terminal."""
    mine, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=its, stderr=its, env=variables(server, home), cwd=home
    ) as process:
        os.close(its)
        shown = b""
        try:
            while chunk := os.read(mine, 65536):
                shown += chunk
        except OSError:
            pass  # what a terminal says when nobody has it open any more
    os.close(mine)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_terminal_shows_a_bar(service: Service, server: ServerProcess, tmp_path: Path) -> None:
    text = on_terminal(SCRIPT.format(name=service.name), server, tmp_path)
    assert "state Complete" in text
    assert f"{service.name} V1: 100%" in text
    assert "2/2" in text


@pytest.mark.parametrize("wanted", [True, False])
def test_one_who_iterates_sees_it_too(service: Service, server: ServerProcess, tmp_path: Path, wanted: bool) -> None:
    code = ITERATING.format(name=service.name, wanted="" if wanted else ", progress=False")
    text = on_terminal(code, server, tmp_path)
    assert "values [2.0, 1.0] True" in text
    bars = [line for line in text.split("\r\n") if f"{service.name} V1: 100%" in line]
    assert len(bars) == wanted
    assert ("2/2" in text) is wanted


def test_a_log_shows_none(service: Service, server: ServerProcess, tmp_path: Path) -> None:
    code = SCRIPT.format(name=service.name)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables(server, tmp_path), cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "state Complete\n", "")


def test_a_notebook_shows_a_bar(
    service: Service, server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SCRIPT.format(name=service.name))])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[0].outputs
    widgets = [output for output in outputs if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
    assert len(widgets) == 1
    assert f"{service.name} V1" in widgets[0]["data"]["text/plain"]
    assert [output["text"] for output in outputs if output.get("name") == "stdout"] == ["state Complete\n"]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
