"""The operations on batch executions, against a running server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_deployr.client import BadRequest, DeployRClient, InvalidInputs, NotFound, UnexpectedResponse
from jupyter_deployr.protocol.models import (
    BatchWebServiceResult,
    ParameterDefinition,
    PublishWebServiceRequest,
)
from tests.client.conftest import StubServer
from tests.waiting import wait_until


@pytest.fixture
def name(client: DeployRClient) -> Iterator[str]:
    """A service that doubles a vector and writes its sum into a file, taken away after the test."""
    name = f"Batch-{uuid.uuid4().hex[:8]}"
    request = PublishWebServiceRequest(
        code="y = 2 * x\nopen('sum ü.txt', 'w').write(str(x.sum()))",
        input_parameter_definitions=[ParameterDefinition("x", "vector")],
        output_parameter_definitions=[ParameterDefinition("y", "vector")],
        runtime_type="Python",
        output_file_names=["sum ü.txt"],
    )
    client.publish_web_service_version(name, "V 1", request)
    yield name
    client.delete_web_service_version(name, "V 1")


def ended(client: DeployRClient, name: str, execution_id: str) -> BatchWebServiceResult:
    def status() -> BatchWebServiceResult:
        return client.get_batch_execution_status(name, "V 1", execution_id)

    wait_until(lambda: status().state in ("Complete", "Failed"))
    return status()


def test_an_execution_from_start_to_end(client: DeployRClient, name: str) -> None:
    records = ({"x": np.arange(count)} for count in (1, 2, 3))
    execution_id = client.start_batch_execution(name, "V 1", records, 2).batch_execution_id
    assert execution_id is not None
    assert client.get_batch_executions(name, "V 1") == [execution_id]
    status = ended(client, name, execution_id)
    assert (status.state, status.completed_item_count, status.total_item_count) == ("Complete", 3, 3)
    assert status.error_message == ""
    assert status.batch_execution_results is not None
    assert [result.output_parameters for result in status.batch_execution_results] == [
        {"y": [0]},
        {"y": [0, 2]},
        {"y": [0, 2, 4]},
    ]
    assert client.get_batch_execution_files(name, "V 1", execution_id, 2) == ["sum ü.txt"]
    assert client.get_batch_execution_file(name, "V 1", execution_id, 2, "sum ü.txt") == b"3"
    assert client.cancel_and_delete_batch_execution(name, "V 1", execution_id) == [execution_id]
    assert client.get_batch_executions(name, "V 1") == []
    for attempt in (
        lambda: client.get_batch_execution_status(name, "V 1", execution_id),
        lambda: client.cancel_and_delete_batch_execution(name, "V 1", execution_id),
        lambda: client.get_batch_execution_files(name, "V 1", execution_id, 0),
        lambda: client.get_batch_execution_file(name, "V 1", execution_id, 0, "sum ü.txt"),
        lambda: client.start_batch_execution(name, "V 2", [{"x": [1]}]),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_what_can_not_be_started(client: DeployRClient, name: str) -> None:
    with pytest.raises(InvalidInputs, match="Record 1: x: ") as refused:
        client.start_batch_execution(name, "V 1", [{"x": [1]}, {"x": object()}])
    assert refused.value.fields == ("x",)
    with pytest.raises(BadRequest, match="no records"):
        client.start_batch_execution(name, "V 1", [])
    with pytest.raises(BadRequest) as counted:
        client.start_batch_execution(name, "V 1", [{"x": [1]}], 0)
    assert counted.value.fields == ("parallelCount",)
    assert client.get_batch_executions(name, "V 1") == []


@pytest.mark.parametrize("member", ["batchExecutionId", "BatchExecutionId"])
def test_either_spelling_of_the_id_is_read(stub: StubServer, member: str) -> None:
    stub.always(202, {member: "abc"})
    started = DeployRClient(stub.url).start_batch_execution("Iris", "V1", [{"x": 1}], headers={"Authorization": "T"})
    assert started.batch_execution_id == "abc"
    (request,) = stub.requests
    assert (request.path, request.body) == ("/api/Iris/V1/batch", b'[{"x":1}]')
    assert request.headers["Authorization"] == "T"


@pytest.mark.parametrize(
    ("wanted", "query"), [(None, ""), (True, "?showPartialResults=true"), (False, "?showPartialResults=false")]
)
def test_partial_results_are_asked_for_as_the_description_says(
    stub: StubServer, wanted: bool | None, query: str
) -> None:
    document = {"state": "InProgress", "completedItemCount": 1, "totalItemCount": 2}
    stub.always(200, {**document, "batchExecutionResults": [{"success": True}]})
    client = DeployRClient(stub.url)
    status = client.get_batch_execution_status("Iris", "V1", "abc", wanted)
    assert stub.requests[0].path == f"/api/Iris/V1/batch/abc{query}"
    assert status.batch_execution_results is not None
    assert status.batch_execution_results[0].success is True
    stub.always(200, {**document, "batchExecutionResults": [5]})
    with pytest.raises(UnexpectedResponse):
        client.get_batch_execution_status("Iris", "V1", "abc", wanted)
