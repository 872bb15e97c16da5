"""A version as an object: called like a function, shown by `help`, changed and taken away."""

from __future__ import annotations

import inspect
import pydoc
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_deployr.client import (
    BadRequest,
    DeployRClient,
    ExecutionFailed,
    InvalidInputs,
    NotFound,
    Service,
    signatures,
)
from jupyter_deployr.protocol.models import ParameterDefinition as Definition
from jupyter_deployr.protocol.models import PublishWebServiceRequest, WebService
from tests.client.conftest import StubServer

INPUTS = [
    Definition("rows", "matrix", "Measures, a row for each flower"),
    Definition("factor", "numeric", default=2, minimum=0, maximum=10, example=3),
    Definition("colour", "character", "Of the <petals>", default="red", enum=["red", "blue"]),
]
OUTPUTS = [Definition("total", "numeric", "Their sum"), Definition("doubled", "matrix")]


@pytest.fixture
def name(client: DeployRClient) -> Iterator[str]:
    """A service name of this test's own, taken away with all its versions."""
    name = f"Called-{uuid.uuid4().hex[:8]}"
    yield name
    for service in client.get_all_web_service_versions_by_name(name):
        client.delete_web_service_version(name, service.version)


def published(client: DeployRClient, name: str, code: str, **members: Any) -> Service:
    client.publish_web_service_version(name, "1", PublishWebServiceRequest(code=code, **members))
    return client.service(name, "1")


def of_type(client: DeployRClient, name: str, kind: str, code: str = "y = x") -> Service:
    members = {
        "input_parameter_definitions": [Definition("x", kind)],
        "output_parameter_definitions": [Definition("y", kind)],
    }
    return published(client, name, code, **members)


@pytest.fixture
def service(client: DeployRClient, name: str) -> Service:
    code = "print('summing', colour)\ntotal = rows.sum() * factor\ndoubled = rows * 2"
    return published(
        client,
        name,
        code,
        description="Sums <b>rows</b>",
        input_parameter_definitions=INPUTS,
        output_parameter_definitions=OUTPUTS,
    )


def test_it_is_called_by_position_and_by_name(service: Service) -> None:
    for outputs in (
        service([[1, 2], [3, 4]], 3),
        service(rows=np.array([[1, 2], [3, 4]]), factor=3),
        service([[1, 2], [3, 4]], colour="blue", factor=np.float64(3)),
        service(pd.DataFrame({"a": [1, 3], "b": [2, 4]}).to_numpy(), 3, None),
    ):
        assert outputs.keys() == {"total", "doubled"}
        assert outputs["total"] == 30
        np.testing.assert_array_equal(outputs["doubled"], [[2, 4], [6, 8]])
    assert service([[1, 2]])["total"] == 6


def test_help_shows_inputs_and_outputs(service: Service, name: str) -> None:
    assert str(inspect.signature(service)) == ("(rows: matrix, factor: numeric = 2, colour: character = 'red') -> dict")
    shown = pydoc.plain(pydoc.render_doc(service))
    for line in (
        f"{name}(rows: matrix, factor: numeric = 2, colour: character = 'red') -> dict",
        "Sums <b>rows</b>",
        "rows: matrix, an array of equally long rows",
        "Measures, a row for each flower",
        "factor: numeric, a number from 0 to 10; default 2; example 3",
        'colour: character, a string, one of "red", "blue"; default \'red\'',
        "total: numeric, a number",
        "Their sum",
        f"Version 1, published by admin. Stands for POST {service.url}.",
    ):
        assert line in shown
    assert callable(service)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("numeric", 1.5, 1.5),
        ("numeric", np.float32(2), 2.0),
        ("integer", 7, 7),
        ("integer", np.int64(7), 7),
        ("logical", True, True),
        ("character", "Grüße", "Grüße"),
        ("vector", [1, 2], np.array([1, 2])),
        ("vector", [1.5, None], np.array([1.5, np.nan])),
        ("vector", ["a", None], np.array(["a", None], object)),
        ("vector", [], np.array([], np.float64)),
        ("vector", pd.Series([True, False]), np.array([True, False])),
        ("matrix", [[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        ("matrix", np.eye(2), np.eye(2)),
        ("data.frame", {"a": [1, 2], "b": ["x", "y"]}, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})),
        ("data.frame", pd.DataFrame({"a": [1.5, np.nan]}), pd.DataFrame({"a": [1.5, np.nan]})),
    ],
)
def test_a_value_comes_back_as_service_code_gets_it(
    client: DeployRClient, name: str, kind: str, value: Any, expected: Any
) -> None:
    found = of_type(client, name, kind)(value)
    assert type(found) is type(expected)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype.kind == expected.dtype.kind
    else:
        assert found == expected


def test_what_has_no_such_form_stays_as_it_came(client: DeployRClient, name: str) -> None:
    assert of_type(client, name, "vector", "y = [[1], {'a': 2}]")([0]) == [[1], {"a": 2}]


def test_without_outputs_there_is_none(client: DeployRClient, name: str) -> None:
    service = published(client, name, "print('done')")
    assert service() is None
    assert service.consume().console_output == "done\n"
    assert str(inspect.signature(service)) == "() -> None"


@pytest.mark.parametrize(
    ("args", "kwargs", "fields", "said"),
    [
        ((), {}, ("rows",), "rows is missing: expected matrix, an array of equally long rows"),
        ((None,), {}, ("rows",), "rows is missing"),
        (([[1]],), {"color": "red"}, ("color",), "'color' is not an input; did you mean 'colour'?"),
        (([[1]],), {"rows": [[1]]}, ("rows",), "rows is given twice"),
        (([[1]], 1, "red", 4), {}, (), "at most 3 inputs can be given by position, not 4"),
        ((), {"zzz": 1}, ("zzz", "rows"), r"\(its inputs: rows, factor, colour\)"),
        (([[threading.Lock()]],), {}, ("rows",), "rows: a value of type lock has no JSON form"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(
    stub: StubServer, args: tuple[Any, ...], kwargs: dict[str, Any], fields: tuple[str, ...], said: str
) -> None:
    service = Service(DeployRClient(stub.url), WebService("Sums", "1", input_parameter_definitions=INPUTS))
    with pytest.raises(InvalidInputs, match=said) as raised:
        service(*args, **kwargs)
    assert raised.value.fields == fields
    assert stub.requests == []


def test_what_the_server_checks_is_told_as_well(service: Service) -> None:
    with pytest.raises(InvalidInputs, match="from 0 to 10, not the number 11"):
        service([[1]], 11)


def test_an_input_may_have_any_name(client: DeployRClient, name: str) -> None:
    inputs = [Definition(each, "integer") for each in ("self", "args", "name", "client")]
    outputs = [Definition("y", "integer")]
    service = published(
        client,
        name,
        "y = self + args + name + client",
        input_parameter_definitions=inputs,
        output_parameter_definitions=outputs,
    )
    assert service(1, 2, name=3, client=4) == 10
    assert service(self=1, args=2, name=3, client=4) == 10


def test_a_required_input_behind_a_default_goes_by_name_only(stub: StubServer) -> None:
    inputs = [Definition("a", "integer", default=1), Definition("b", "integer"), Definition("not a name", "integer")]
    version = WebService("Odd", "1", input_parameter_definitions=inputs)
    assert str(signatures.signature(version)) == "(a: integer = 1, *, b: integer) -> None"
    assert signatures.bind(version, (5,), {"b": 2, "not a name": 3}) == {"a": 5, "b": 2, "not a name": 3}
    with pytest.raises(InvalidInputs, match="at most 1 inputs"):
        signatures.bind(version, (5, 6), {})


def test_code_that_raises_raises_here(client: DeployRClient, name: str) -> None:
    service = of_type(client, name, "numeric", "y = 1 / x")
    assert service(4) == 0.25
    with pytest.raises(ExecutionFailed, match=r"^ZeroDivisionError: division by zero$"):
        service(0)
    result = service.consume(0)
    assert not result.success
    assert result.error_message == "ZeroDivisionError: division by zero"
    assert repr(result) == "<CallResult failed: ZeroDivisionError: division by zero>"


def test_consume_gives_all_of_the_answer(client: DeployRClient, name: str) -> None:
    code = "open('a.bin', 'wb').write(b'\\x00\\xff')\nprint('said')\ny = x + 1"
    service = published(
        client,
        name,
        code,
        input_parameter_definitions=[Definition("x", "integer")],
        output_parameter_definitions=[Definition("y", "integer")],
        output_file_names=["a.bin", "b.bin"],
    )
    result = service.consume(1)
    assert (result.success, result.value, result.outputs) == (True, 2, {"y": 2})
    assert result.console_output == "said\n"
    assert result.files == {"a.bin": b"\x00\xff", "b.bin": None}
    assert repr(result) == "<CallResult: y=2>"


def test_its_documents_and_addresses(service: Service, client: DeployRClient, name: str) -> None:
    assert service.swagger()["info"]["title"] == name
    assert service.openapi()["openapi"].startswith("3.1")
    assert service.url == f"{client.base_url}/api/{name}/1"
    assert service.docs_url == f"{service.url}/docs"
    spaced = Service(client, WebService("A b", "ü/1"))
    assert spaced.docs_url == f"{client.base_url}/api/A%20b/%C3%BC%2F1/docs"


def test_without_a_version_it_is_the_newest(client: DeployRClient, service: Service, name: str) -> None:
    client.publish_web_service_version(name, "0", PublishWebServiceRequest(code="pass"))
    assert client.service(name).version == "0"
    assert service.versions() == ["1", "0"]
    assert {(each.name, each.version) for each in client.services()} >= {(name, "1"), (name, "0")}
    with pytest.raises(NotFound, match="'Nowhere'"):
        client.service("Nowhere")
    with pytest.raises(NotFound):
        client.service(name, "2")


def test_it_is_changed_and_taken_away(client: DeployRClient, name: str) -> None:
    service = of_type(client, name, "numeric")
    somebody = client.service(name, "1")
    changed = service.update(
        code="y = x + z",
        description="Adds",
        input_parameter_definitions=[Definition("x", "numeric"), Definition("z", "numeric")],
    )
    assert changed is service
    assert service(1, 2) == 3
    assert "Adds" in (service.__doc__ or "")
    assert somebody.refresh()(1, z=2) == 3
    with pytest.raises(BadRequest, match="A version has no descripton; it has snapshot_id, code") as raised:
        service.update(descripton="x")
    assert raised.value.fields == ("descripton",)
    service.delete()
    for attempt in (service.refresh, lambda: service(1, 2), service.delete, service.swagger):
        with pytest.raises(NotFound):
            attempt()


def test_it_shows_itself_without_markup_and_token(service: Service, client: DeployRClient) -> None:
    shown = service._repr_html_()
    assert "Sums &lt;b&gt;rows&lt;/b&gt;" in shown
    assert "Of the &lt;petals&gt;" in shown
    assert "<b>" not in shown
    assert repr(service) == (
        f"<Service 1 at {client.base_url}: {service.name}"
        "(rows: matrix, factor: numeric = 2, colour: character = 'red') -> dict>"
    )
    token = client._tokens.access_token()
    assert token
    assert token not in shown + repr(service) + str(service.__doc__)


def test_a_broken_version_says_so(stub: StubServer) -> None:
    service = Service(DeployRClient(stub.url), WebService("Sums", "1", broken="Its snapshot is damaged."))
    assert "1 (broken)" in service._repr_html_()
    assert "It is broken: Its snapshot is damaged." in (service.__doc__ or "")
