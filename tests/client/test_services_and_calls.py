"""Each operation on services, and calls of them, against a running server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_deployr.client import (
    BadRequest,
    Conflict,
    DeployRClient,
    InvalidInputs,
    NotFound,
)
from jupyter_deployr.protocol.models import (
    ParameterDefinition,
    PublishWebServiceRequest,
)


def double(**changes: Any) -> PublishWebServiceRequest:
    members = {
        "code": "y = 2 * x",
        "input_parameter_definitions": [ParameterDefinition("x", "numeric")],
        "output_parameter_definitions": [ParameterDefinition("y", "numeric")],
        "runtime_type": "Python",
    }
    return PublishWebServiceRequest(**{**members, **changes})


@pytest.fixture
def name(client: DeployRClient) -> Iterator[str]:
    """A service name of this test's own, taken away with all its versions."""
    name = f"Double-{uuid.uuid4().hex[:8]}"
    yield name
    for service in client.get_all_web_service_versions_by_name(name):
        client.delete_web_service_version(name, service.version)


def test_a_service_from_birth_to_end(client: DeployRClient, name: str) -> None:
    assert client.publish_web_service_version(name, "V1.0", double(description="Doubles")) == f"/api/{name}/V1.0"
    with pytest.raises(Conflict):
        client.publish_web_service_version(name, "V1.0", double())
    client.publish_web_service_version(name, "V0.9", double(code="y = 20 * x"))

    assert [each.version for each in client.get_all_web_service_versions_by_name(name)] == ["V1.0", "V0.9"]
    assert {(each.name, each.version) for each in client.get_all_web_services()} >= {(name, "V1.0"), (name, "V0.9")}
    (service,) = client.get_web_service_version(name, "V1.0")
    assert (service.name, service.version, service.description) == (name, "V1.0", "Doubles")
    assert (service.version_published_by, service.runtime_type, service.code) == ("admin", "Python", "y = 2 * x")
    assert service.input_parameter_definitions == [ParameterDefinition("x", "numeric")]
    assert service.output_parameter_definitions == [ParameterDefinition("y", "numeric")]
    assert service.output_file_names == []

    assert client.consume(name, "V1.0", {"x": 21}).output_parameters == {"y": 42}
    patch = PublishWebServiceRequest(description="Triples", code="y = 3 * x")
    assert client.patch_web_service_version(name, "V1.0", patch) == f"/api/{name}/V1.0"
    assert client.consume(name, "V1.0", {"x": 21}).output_parameters == {"y": 63}
    (service,) = client.get_web_service_version(name, "V1.0")
    assert (service.description, service.code) == ("Triples", "y = 3 * x")
    assert service.input_parameter_definitions == [ParameterDefinition("x", "numeric")]

    swagger = client.get_web_service_swagger(name, "V1.0")
    assert swagger["info"] == {"title": name, "version": "V1.0", "description": "Triples"}

    client.delete_web_service_version(name, "V1.0")
    with pytest.raises(NotFound):
        client.consume(name, "V1.0", {"x": 1})


def test_without_a_version_the_server_makes_one_up(client: DeployRClient, name: str) -> None:
    where = client.publish_web_service(name, double())
    (service,) = client.get_all_web_service_versions_by_name(name)
    assert uuid.UUID(service.version)
    assert where == f"/api/{name}/{service.version}"


@pytest.mark.parametrize("version", ["V 1", "1.0.0-alpha+b", "Größe", "1~@2"])
def test_names_and_versions_of_many_characters_come_back(client: DeployRClient, name: str, version: str) -> None:
    spaced = f"{name} ü"
    client.publish_web_service_version(spaced, version, double())
    assert [each.version for each in client.get_web_service_version(spaced, version)] == [version]
    assert client.consume(spaced, version, {"x": 1}).output_parameters == {"y": 2}
    assert client.get_web_service_swagger(spaced, version)["info"]["title"] == spaced
    assert client.get_web_service_open_api(spaced, version)["info"]["title"] == spaced
    client.delete_web_service_version(spaced, version)
    assert client.get_all_web_service_versions_by_name(spaced) == []


@pytest.mark.parametrize("version", ["a/b", "a?b", "batch", "swagger.json", "<b>", "-", "x" * 200])
def test_names_that_would_be_trouble_are_refused(client: DeployRClient, name: str, version: str) -> None:
    with pytest.raises((BadRequest, NotFound)):
        client.publish_web_service_version(name, version, double())
    assert client.get_all_web_service_versions_by_name(name) == []


def test_a_call_with_arrays_and_frames(client: DeployRClient, name: str) -> None:
    request = double(
        code="total = float(v.sum() + m.sum() + f['a'].sum())\nprint(v.dtype, m.shape, type(f).__name__)",
        input_parameter_definitions=[
            ParameterDefinition("v", "vector"),
            ParameterDefinition("m", "matrix"),
            ParameterDefinition("f", "data.frame"),
        ],
        output_parameter_definitions=[ParameterDefinition("total", "numeric")],
    )
    client.publish_web_service_version(name, "1", request)
    result = client.consume(
        name, "1", {"v": np.array([1, 2]), "m": np.ones((2, 3)), "f": pd.DataFrame({"a": [10.0, 20.0]})}
    )
    assert result.success is True
    assert result.error_message == ""
    assert result.output_parameters == {"total": 39}
    assert result.console_output == "int64 (2, 3) DataFrame\n"
    assert result.output_files == {}


def test_faulty_inputs_are_all_named(client: DeployRClient, name: str) -> None:
    definitions = [ParameterDefinition("x", "numeric"), ParameterDefinition("n", "integer")]
    client.publish_web_service_version(name, "1", double(input_parameter_definitions=definitions))
    with pytest.raises(InvalidInputs) as raised:
        client.consume(name, "1", {"n": "5", "z": 1})
    assert set(raised.value.fields) == {"x", "n", "z"}
    assert "integer" in str(raised.value)
    assert raised.value.request_id


def test_definitions_with_limits_travel_both_ways(client: DeployRClient, name: str) -> None:
    definitions = [
        ParameterDefinition("x", "numeric", "the number", default=0, minimum=-1.5, maximum=4, example=1),
        ParameterDefinition("colour", "character", enum=["red", "green"], default="red"),
        ParameterDefinition("f", "data.frame", default={"a": [1, None]}),
    ]
    client.publish_web_service_version(name, "1", double(input_parameter_definitions=definitions))
    (service,) = client.get_web_service_version(name, "1")
    assert service.input_parameter_definitions == definitions
    assert client.consume(name, "1", {}).output_parameters == {"y": 0}
    with pytest.raises(InvalidInputs, match=r"from -1\.5 to 4, not the number 5") as raised:
        client.consume(name, "1", {"x": 5, "colour": "blue"})
    assert raised.value.fields == ("x", "colour")
    with pytest.raises(BadRequest) as refused:
        client.patch_web_service_version(
            name, "1", double(input_parameter_definitions=[ParameterDefinition("x", "integer", minimum=2, maximum=1)])
        )
    assert refused.value.fields == ("inputParameterDefinitions.x.minimum",)


def test_a_service_that_raises_is_an_answer(client: DeployRClient, name: str) -> None:
    client.publish_web_service_version(name, "1", double(code="y = 1 / x"))
    result = client.consume(name, "1", {"x": 0})
    assert result.success is False
    assert result.error_message == "ZeroDivisionError: division by zero"
    assert client.consume(name, "1", {"x": 4}).output_parameters == {"y": 0.25}


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "a = = 1"},
        {"code": None},
        {"input_parameter_definitions": [ParameterDefinition("x", "tensor")]},
        {"input_parameter_definitions": [ParameterDefinition("not a name", "vector")]},
        {"runtime_type": "R"},
        {"init_code": "import a_module_that_is_not_there"},
    ],
)
def test_what_can_not_be_published_leaves_nothing_behind(
    client: DeployRClient, name: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest):
        client.publish_web_service_version(name, "1", double(**changes))
    assert client.get_all_web_service_versions_by_name(name) == []


def test_unknown_services_are_not_found(client: DeployRClient, name: str) -> None:
    client.publish_web_service_version(name, "1", double())
    for service, version in ((name, "2"), ("Nowhere", "1")):
        for attempt in (
            lambda: client.get_web_service_version(service, version),  # noqa: B023
            lambda: client.patch_web_service_version(service, version, double()),  # noqa: B023
            lambda: client.delete_web_service_version(service, version),  # noqa: B023
            lambda: client.get_web_service_swagger(service, version),  # noqa: B023
            lambda: client.consume(service, version, {"x": 1}),  # noqa: B023
        ):
            with pytest.raises(NotFound):
                attempt()
    assert client.get_all_web_service_versions_by_name("Nowhere") == []
