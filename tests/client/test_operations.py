"""Each operation of the API has its method, also those that this server refuses."""

from __future__ import annotations

import inspect
import io
import re
from typing import Any

import pytest
import requests

from jupyter_deployr.client import DeployRClient, NotImplementedHere
from tests.client.conftest import StubServer
from tests.server_process import ServerProcess

SHORTER = {"consume_web_service": "consume"}


def snake_case(operation: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation).lower()


def test_each_operation_of_the_document_has_a_method(server: ServerProcess) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(operations) > 40
    missing = []
    for operation in operations:
        name = snake_case(operation)
        method = getattr(DeployRClient, SHORTER.get(name, name), None)
        if not callable(method) or f"`{operation}`" not in (inspect.getdoc(method) or ""):
            missing.append(operation)
    assert missing == []


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("publish_realtime_web_service_by_name", ("Model", b"bytes")),
        ("publish_realtime_web_service_by_name_version", ("Model", "1", b"bytes")),
        ("patch_realtime_web_service_by_name_version", ("Model", "1")),
    ],
)
def test_realtime_services_are_refused_in_words(client: DeployRClient, call: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedHere, match="Publish the model as a standard service"):
        getattr(client, call)(*arguments)


def test_a_model_travels_as_a_form(stub: StubServer) -> None:
    stub.always(201, "/api/M/1")
    with DeployRClient(stub.url) as client:
        where = client.publish_realtime_web_service_by_name_version(
            "M", "1", io.BytesIO(b"\0model"), "What it is", "score"
        )
    assert where == "/api/M/1"
    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/realtime-services/M/1")
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="description"\r\n\r\nWhat it is\r\n' in request.body
    assert b'name="operationId"\r\n\r\nscore\r\n' in request.body
    assert b'name="model"; filename="model"' in request.body
    assert b"\r\n\r\n\0model\r\n" in request.body
