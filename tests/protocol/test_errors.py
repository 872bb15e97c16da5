"""The exception tree: statuses, bodies, and the way back from a body to the class."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_deployr.protocol import errors

STATUSES = {
    "BadRequest": 400,
    "InvalidInputs": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "RequestTooSlow": 408,
    "Conflict": 409,
    "Gone": 410,
    "PayloadTooLarge": 413,
    "UnsupportedMediaType": 415,
    "TooManyRequests": 429,
    "HeadTooLarge": 431,
    "ServerFault": 500,
    "NotImplementedHere": 501,
    "WorkerLost": 502,
    "Unavailable": 503,
    "TimedOut": 504,
    "StorageFull": 507,
}
CLIENT_ONLY = {
    "ExecutionOutOfReach",
    "ServerUnreachable",
    "UnexpectedResponse",
    "ExecutionFailed",
    "EmbeddedServerFailed",
}


def tree(base: Any) -> Iterator[Any]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from tree(subclass)


def test_the_tables_of_this_module_name_every_class() -> None:
    own = {kind.__name__ for kind in tree(errors.DeployRError) if kind.__module__ == errors.__name__}
    assert own == set(STATUSES) | CLIENT_ONLY


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_body_and_class_are_one(name: Any, status: Any) -> None:
    kind = getattr(errors, name)
    raised = kind("It is so.", fields=["x", "y"], request_id="r1")
    assert raised.body == {
        "message": "It is so.",
        "code": status,
        "link": "",
        "exceptionType": name,
        "fields": "x, y",
    }
    back = errors.from_response(status, raised.body, "r1")
    assert type(back) is kind
    assert (str(back), back.fields, back.request_id, back.status) == ("It is so.", ("x", "y"), "r1", status)


def test_body_has_all_members_in_order() -> None:
    assert list(errors.NotFound("no").body) == ["message", "code", "link", "exceptionType", "fields"]
    assert errors.NotFound("no").body["fields"] == ""


@pytest.mark.parametrize("name", [*STATUSES, *sorted(CLIENT_ONLY)])
def test_survives_pickling(name: Any) -> None:
    raised = getattr(errors, name)("It is so.")
    back = pickle.loads(pickle.dumps(raised))
    assert type(back) is type(raised)
    assert vars(back) == vars(raised)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, {"message": "m"}, errors.Conflict),  # the members of 9.0.1
        (409, {"message": "m", "exceptionType": "SomethingElse"}, errors.Conflict),
        (409, {"message": "m", "exceptionType": None, "fields": None}, errors.Conflict),
        (409, {"message": "m", "exceptionType": ["x"], "fields": 5}, errors.Conflict),
        (418, {"message": "m"}, errors.ServerFault),
        (400, {"message": "m", "exceptionType": "InvalidInputs"}, errors.InvalidInputs),
        (502, "<html>Bad gateway</html>", errors.UnexpectedResponse),
        (502, None, errors.UnexpectedResponse),
        (404, {"detail": "Not Found"}, errors.UnexpectedResponse),
        (404, {"message": {"nested": 1}}, errors.UnexpectedResponse),
        (404, ["message"], errors.UnexpectedResponse),
    ],
)
def test_bodies_of_other_servers(status: Any, body: Any, kind: Any) -> None:
    assert type(errors.from_response(status, body)) is kind


def test_an_unexpected_answer_names_its_status() -> None:
    assert "502" in str(errors.from_response(502, "<html>"))


def test_execution_failed_keeps_the_remote_traceback() -> None:
    assert errors.ExecutionFailed("NameError: x", traceback=["a", "b"]).traceback == ("a", "b")
