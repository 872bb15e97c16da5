"""Inputs and records as they are given, with missing values and whole floats, and as they travel."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_deployr.client import BadRequest, DeployRClient, InvalidInputs, Service, models
from jupyter_deployr.protocol.models import ParameterDefinition as Definition
from jupyter_deployr.protocol.models import PublishWebServiceRequest
from tests.client.conftest import StubServer

INPUTS = [
    Definition("n", "integer", default=7),
    Definition("x", "numeric"),
    Definition("factor", "numeric", default=2),
    Definition("kind", "character", default="apple"),
    Definition("flag", "logical", default=True),
]


@pytest.fixture
def service(client: DeployRClient) -> Iterator[Service]:
    """Says what its code received."""
    name = f"Records-{uuid.uuid4().hex[:8]}"
    request = PublishWebServiceRequest(
        code="got = repr((n, x, factor, kind, flag))",
        input_parameter_definitions=INPUTS,
        output_parameter_definitions=[Definition("got", "character")],
    )
    client.publish_web_service_version(name, "1", request)
    yield client.service(name, "1")
    client.delete_web_service_version(name, "1")


MISSING: list[Any] = [None, np.nan, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.float32("nan")]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_what_is_missing_is_not_given(service: Service, missing: Any) -> None:
    assert service(x=1, n=missing, kind=missing, flag=missing) == "(7, 1, 2, 'apple', True)"


@pytest.mark.parametrize("whole", [3, 3.0, np.int64(3), np.float64(3), np.float32(3), np.uint8(3)], ids=repr)
def test_whole_numbers_are_integers(service: Service, whole: Any) -> None:
    assert service(x=1.5, n=whole) == "(3, 1.5, 2, 'apple', True)"
    assert [each.value for each in service.batch([{"x": 1.5, "n": whole}])] == ["(3, 1.5, 2, 'apple', True)"]


@pytest.mark.parametrize("value", [3.5, float("inf"), "3", True], ids=repr)
def test_others_are_refused_as_ever(service: Service, value: Any) -> None:
    with pytest.raises(InvalidInputs, match=r"^n must be integer, a whole number, not "):
        service(x=1, n=value)


def test_where_a_number_is_expected_nan_is_one(service: Service) -> None:
    assert service(x=np.nan, factor=np.nan) == "(7, nan, nan, 'apple', True)"
    with pytest.raises(InvalidInputs, match="x is missing"):
        service(x=pd.NA)


FRAME = pd.DataFrame(
    {
        "n": [3, None],  # floats, for pandas
        "x": [0.5, np.nan],
        "factor": [1.5, np.nan],
        "kind": ["pear", None],
        "flag": [False, None],
    }
)


@pytest.mark.parametrize(
    "records",
    [
        FRAME,
        FRAME.convert_dtypes().astype({"x": "float64"}),
        FRAME.to_dict("list"),
        {name: FRAME[name] for name in FRAME},
        {name: FRAME[name].to_numpy() for name in FRAME},
        {name: tuple(FRAME[name]) for name in FRAME},
    ],
    ids=["frame", "nullable frame", "lists", "series", "arrays", "tuples"],
)
def test_rows_with_missing_values_get_the_defaults(service: Service, records: Any) -> None:
    assert [each.value for each in service.batch(records)] == [
        "(3, 0.5, 1.5, 'pear', False)",
        "(7, nan, 2, 'apple', True)",
    ]


def of_stub(stub: StubServer, *inputs: Definition) -> Service:
    stub.always(200, {"batchExecutionId": "id"})
    return Service(DeployRClient(stub.url), models.WebService("S", "1", input_parameter_definitions=list(inputs)))


def test_what_is_missing_travels_as_null(stub: StubServer) -> None:
    of_stub(stub, *INPUTS).batch(FRAME[["n", "kind"]])
    assert json.loads(stub.requests[0].body) == [{"n": 3, "kind": "pear"}, {"n": None, "kind": None}]
    assert stub.requests[0].body == b'[{"n":3,"kind":"pear"},{"n":null,"kind":null}]'


def test_values_that_hold_several_stay_as_they_are(stub: StubServer) -> None:
    of_stub(stub, Definition("v", "vector")).batch([{"v": np.array([1, 2])}, {"v": [1.5, None]}])
    assert json.loads(stub.requests[0].body) == [{"v": [1, 2]}, {"v": [1.5, None]}]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("abc", "not a str"),
        (b"abc", "not a bytes"),
        (None, "not a NoneType"),
        (5, "not a int"),
        ([1, 2], "record 0 is a int"),
        ([{"n": 1}, "n"], "record 1 is a str"),
        ({"n": 1}, "n is a int, no list"),
        ({"kind": "pear"}, "kind is a str, no list"),
        ({"n": [1, 2], "kind": ["pear"]}, "these are not: n has 2, kind has 1"),
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), "several columns named 'n'"),
    ],
    ids=str,
)
def test_what_are_no_records_is_told_before_anything_is_sent(stub: StubServer, records: Any, said: str) -> None:
    service = of_stub(stub, *INPUTS)
    with pytest.raises(InvalidInputs, match=said):
        service.batch(records)
    assert stub.requests == []


@pytest.mark.parametrize("records", ["abc", None, {"n": [1]}, [1]], ids=str)
def test_the_operation_itself_takes_mappings_only(stub: StubServer, records: Any) -> None:
    with DeployRClient(stub.url) as client, pytest.raises(InvalidInputs, match="The records of a batch are a list"):
        client.start_batch_execution("S", "1", records)
    assert stub.requests == []


def test_no_columns_are_no_records(service: Service) -> None:
    with pytest.raises(BadRequest):
        service.batch({})
