"""The client's operations on the code, files and workspace of a session, against a running server."""

from __future__ import annotations

import io
import os
from typing import Any

import dill
import pytest

from jupyter_deployr.client import BadRequest, DeployRClient, Gone, NotFound, models

MB = 1024 * 1024


@pytest.mark.parametrize("name", ["a.bin", 'a "quoted" größe;name.txt'])
def test_files_go_and_come(client: DeployRClient, session_id: str, name: str) -> None:
    content = os.urandom(2 * MB + 3)
    client.upload_session_file(session_id, io.BytesIO(content), name)
    client.execute_code(session_id, models.ExecuteRequest("import os; os.mkdir('f'); open('f/b', 'w').write('b')"))
    assert client.list_session_files(session_id) == [name, "f/b"]
    for file_name, expected in ((name, content), ("f/b", b"b")):
        target = io.BytesIO()
        assert client.get_session_file(session_id, file_name, target) == len(expected)
        assert target.getvalue() == expected
        client.delete_session_file(session_id, file_name)
        with pytest.raises(NotFound):
            client.get_session_file(session_id, file_name, io.BytesIO())
    with pytest.raises(BadRequest):
        client.upload_session_file(session_id, io.BytesIO(b"x"), "CON")


def test_objects_go_and_come(client: DeployRClient, session_id: str) -> None:
    client.set_workspace_object(session_id, "a", dill.dumps([1, 2]))
    client.set_workspace_object(session_id, "b", io.BytesIO(dill.dumps({"c": 3})))
    client.execute_code(session_id, models.ExecuteRequest("a.append(b['c'])"))
    assert client.list_workspace_objects(session_id) == ["a", "b"]
    target = io.BytesIO()
    client.get_workspace_object(session_id, "a", target)
    assert dill.loads(target.getvalue()) == [1, 2, 3]
    client.delete_workspace_object(session_id, "a")
    with pytest.raises(NotFound):
        client.get_workspace_object(session_id, "a", io.BytesIO())
    with pytest.raises(BadRequest, match="'x'"):
        client.set_workspace_object(session_id, "x", b"no pickle")


def test_an_execution_tells_what_happens(client: DeployRClient, session_id: str) -> None:
    seen: list[dict[str, Any]] = []
    request = models.ExecuteRequest("print('one')\ny = 2\ny", output_parameters=["y"])
    response = client.execute_code(session_id, request, on_event=seen.append)
    assert response.success
    assert response.output_parameters == [models.WorkspaceObject("y", 2)]
    kinds = [event["msg_type"] for event in seen if event["msg_type"] != "status"]
    assert kinds == ["stream", "execute_result"]
    with pytest.raises(Gone):
        client.execute_code(session_id, models.ExecuteRequest("import os; os._exit(1)"), on_event=seen.append)


def test_what_a_session_says_of_itself(client: DeployRClient, session_id: str) -> None:
    client.execute_code(session_id, models.ExecuteRequest("some_value = 1; print('said')"))
    assert client.get_session_console_output(session_id).console_output == "said\n"
    assert client.list_session_history(session_id) == ["some_value = 1; print('said')"]
    assert client.complete_code(session_id, models.CompleteRequest("some_v"))["matches"] == ["some_value"]
    assert client.inspect_code(session_id, models.InspectRequest("some_value"))["found"] is True
    assert client.get_session(session_id).state == "idle"
    assert "numpy" in client.get_environment().distributions
