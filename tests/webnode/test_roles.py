"""Who may do what: each route for each kind of caller, and what roles change."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import dill
import pytest
import requests
from fastapi.routing import iter_route_contexts

from jupyter_deployr.webnode.application import Application
from tests.accounts import accounts_of, signed_in
from tests.api import ERROR_MEMBERS, Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until

CALLERS = ("nobody", "reader", "foreign", "owner", "administrator")


class People:
    """Callers of each kind, and what `owner`, a Contributor, has made."""

    def __init__(self, server: ServerProcess, api: Api) -> None:
        self.url = server.url
        self.administrator = api
        self.reader = signed_in(server, "rita", "Reader")
        self.foreign = signed_in(server, "carl", "Contributor")
        self.owner = signed_in(server, "ann", "Contributor")
        self._numbers = itertools.count()
        self._made: dict[str, dict[str, str]] = {}

    def send(self, caller: str, method: str, path: str, **options: Any) -> requests.Response:
        if caller == "nobody":
            return requests.request(method, self.url + path, timeout=60, **options)
        api: Api = getattr(self, caller)
        return api.send(method, path, **options)

    def number(self) -> int:
        """Another one each time."""
        return next(self._numbers)

    def thing(self, kind: str, *, fresh: bool) -> dict[str, str]:
        """What stands for `kind` in paths: the same for all who only look, or one of its own."""
        if not kind:
            return {}
        if fresh:
            return self._make(kind)
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: str) -> dict[str, str]:
        made: dict[str, str] = getattr(self, f"_{kind}")()
        return made

    def _service(self) -> dict[str, str]:
        name = f"Owned{self.number()}"
        self.owner.publish(name, "y = 1")
        return {"name": name, "version": "V1.0"}

    def _session(self) -> dict[str, str]:
        return {"id": self.owner.session()}

    def _file(self) -> dict[str, str]:
        session = self.owner.session()
        self.owner.ok("POST", f"/sessions/{session}/files", 201, files={"file": ("a.txt", b"a")})
        return {"id": session, "fileName": "a.txt"}

    def _object(self) -> dict[str, str]:
        session = self.owner.session()
        self.owner.execute(session, "x = 1")
        return {"id": session, "objectName": "x"}

    def _execution(self) -> dict[str, str]:
        session, accepting = self.owner.session(), {"Accept": "application/x-ndjson"}
        begun = self.owner.send("POST", f"/sessions/{session}/execute", json={"code": "1"}, headers=accepting)
        return {"id": session, "executionId": begun.headers["x-execution-id"]}

    def _snapshot(self) -> dict[str, str]:
        return {"id": self.owner.snapshot("x = 1")}

    def _session_and_snapshot(self) -> dict[str, str]:
        return {"id": self.owner.session(), "snapshotId": self.owner.snapshot("x = 1")}

    def _batch(self) -> dict[str, str]:
        service = self._service()
        batch = f"/api/{service['name']}/{service['version']}/batch"
        identity = self.owner.ok("POST", batch, 202, json=[{}])["batchExecutionId"]
        wait_until(lambda: self.owner.ok("GET", f"{batch}/{identity}")["state"] == "Complete")
        return {**service, "executionId": identity, "index": "0", "fileName": "none"}


@pytest.fixture(scope="module")
def people(server: ServerProcess, api: Api) -> Iterator[People]:
    people = People(server, api)
    yield people
    for api in (people.foreign, people.owner):
        for session in api.ok("GET", "/sessions"):
            api.ok("DELETE", f"/sessions/{session['id']}")
    with accounts_of(server) as accounts:
        for name in ("ann", "carl", "rita"):
            accounts.remove(name)


@dataclass(frozen=True)
class Row:
    """What a route answers to nobody, a Reader, a foreign Contributor, the owner of the thing, and an Owner."""

    route: str
    answers: tuple[int, int, int, int, int]
    thing: str = ""
    fresh: bool = False
    options: Callable[[], dict[str, Any]] = field(default=dict)


def everyone(status: int = 200) -> tuple[int, int, int, int, int]:
    return (401, status, status, status, status)


def open_to_all(status: int = 200) -> tuple[int, int, int, int, int]:
    return (status,) * 5


def mine(status: int = 200) -> tuple[int, int, int, int, int]:
    """Others' things are absent, for an Owner too."""
    return (401, 404, 404, status, 404)


def my_session(status: int = 200) -> tuple[int, int, int, int, int]:
    return (401, 403, 404, status, 404)


MANAGED = (401, 403, 403, 200, 200)
CODE = lambda: {"json": {"code": "y = 2"}}  # noqa: E731
EMPTY = lambda: {"json": {}}  # noqa: E731
OBJECT = lambda: {"data": dill.dumps(1), "headers": {"Content-Type": "application/octet-stream"}}  # noqa: E731
ENTRIES = lambda: {"json": {"entries": ["http://127.0.0.1:1"]}}  # noqa: E731

TABLE = [
    # Authentication: the token that counts is in the request itself.
    Row("POST /login", open_to_all(400), options=EMPTY),
    Row("POST /login/refreshToken", open_to_all(401), options=EMPTY),
    Row("DELETE /login/refreshToken", open_to_all(401), options=lambda: {"params": {"refreshToken": "x"}}),
    Row("DELETE /login/refreshToken/{refreshToken:path}", open_to_all(401)),
    # Services
    Row("GET /services", everyone()),
    Row("GET /services/{name}", everyone(), "service"),
    Row("GET /services/{name}/{version}", everyone(), "service"),
    Row("POST /services/{name}", (401, 403, 403, 201, 201), "service", options=CODE),
    Row("POST /services/{name}/{version}", (401, 403, 409, 409, 409), "service", options=CODE),
    Row("PATCH /services/{name}/{version}", MANAGED, "service", options=CODE),
    Row("DELETE /services/{name}/{version}", MANAGED, "service", fresh=True),
    Row("POST /services/{name}/{version}/pool", MANAGED, "service", options=EMPTY),
    Row("GET /services/{name}/{version}/pool", everyone(), "service"),
    Row("DELETE /services/{name}/{version}/pool", MANAGED, "service"),
    Row("GET /services/{name}/{version}/stats", everyone(), "service"),
    Row("GET /services/{name}/{version}/log", MANAGED, "service"),
    Row("POST /realtime-services/{name}", (401, 403, 501, 501, 501)),
    Row("POST /realtime-services/{name}/{version}", (401, 403, 501, 501, 501)),
    Row("PATCH /realtime-services/{name}/{version}", (401, 403, 501, 501, 501)),
    # Consumption
    Row("POST /api/{name}/{version}", everyone(), "service", options=EMPTY),
    Row("GET /api/{name}/{version}/swagger.json", everyone(), "service"),
    Row("GET /api/{name}/{version}/openapi.json", everyone(), "service"),
    Row("POST /api/{name}/{version}/batch", everyone(202), "service", options=lambda: {"json": [{}]}),
    Row("GET /api/{name}/{version}/batch", everyone(), "batch"),
    Row("GET /api/{name}/{version}/batch/{executionId}", mine(), "batch"),
    Row("DELETE /api/{name}/{version}/batch/{executionId}", mine(), "batch", fresh=True),
    Row("GET /api/{name}/{version}/batch/{executionId}/{index}/files", mine(), "batch"),
    Row("GET /api/{name}/{version}/batch/{executionId}/{index}/files/{fileName}", mine(404), "batch"),
    # Sessions and snapshots
    Row("POST /sessions", (401, 403, 201, 201, 201), options=EMPTY),
    Row("GET /sessions", everyone()),
    Row("POST /sessions/{id}/execute", my_session(), "session", options=lambda: {"json": {"code": "1"}}),
    Row("GET /sessions/{id}", my_session(), "session"),
    Row("GET /sessions/{id}/executions/{executionId}/events", my_session(), "execution"),
    Row("POST /sessions/{id}/cancel", my_session(), "session"),
    Row("GET /sessions/{id}/console-output", my_session(), "session"),
    Row("GET /sessions/{id}/history", my_session(), "session"),
    Row("POST /sessions/{id}/complete", my_session(), "session", options=lambda: {"json": {"code": "1"}}),
    Row("POST /sessions/{id}/inspect", my_session(), "session", options=lambda: {"json": {"code": "1"}}),
    Row("POST /sessions/{id}/files", my_session(201), "session", options=lambda: {"files": {"file": ("f", b"f")}}),
    Row("GET /sessions/{id}/files", my_session(), "session"),
    Row("GET /sessions/{id}/files/{fileName:file_name}", my_session(), "file"),
    Row("DELETE /sessions/{id}/files/{fileName:file_name}", my_session(), "file", fresh=True),
    Row("GET /sessions/{id}/workspace", my_session(), "session"),
    Row("POST /sessions/{id}/workspace/{objectName}", my_session(), "session", options=OBJECT),
    Row("GET /sessions/{id}/workspace/{objectName}", my_session(), "object"),
    Row("DELETE /sessions/{id}/workspace/{objectName}", my_session(), "object", fresh=True),
    Row("DELETE /sessions/{id}", mine(), "session", fresh=True),
    Row("DELETE /sessions/{id}/force", mine(), "session", fresh=True),
    Row("POST /sessions/{id}/snapshot", my_session(201), "session", options=EMPTY),
    Row("POST /sessions/{id}/loadsnapshot/{snapshotId}", my_session(), "session_and_snapshot"),
    Row("GET /snapshots", everyone()),
    Row("GET /snapshots/{id}", mine(), "snapshot"),
    Row("DELETE /snapshots/{id}", mine(), "snapshot", fresh=True),
    # The server
    Row("GET /status", everyone()),
    Row("GET /environment", everyone()),
    Row("GET /events", everyone(), options=lambda: {"stream": True}),
    Row("GET /computenodes", everyone()),
    Row("POST /computenodes", (401, 403, 403, 403, 400), options=ENTRIES),
    Row("PUT /computenodes", (401, 403, 403, 403, 400), options=ENTRIES),
    Row("DELETE /computenodes", (401, 403, 403, 403, 400), options=ENTRIES),
    # Open to all: they tell nothing of what is on the server.
    Row("GET /healthz", open_to_all()),
    Row("GET /readyz", open_to_all()),
    Row("GET /openapi.json", open_to_all()),
    Row("GET /swagger.json", open_to_all()),
    Row("GET /docs", open_to_all()),
    Row("GET /redoc", open_to_all()),
    Row("GET /api/{name}/{version}/docs", open_to_all()),
    Row("GET /assets/{name}", open_to_all(404)),
]


def test_the_table_has_a_row_for_every_route() -> None:
    routes = {
        f"{method} {route.path}"
        for route in iter_route_contexts(Application(Mock()).management.routes)
        for method in route.methods or ()
    }
    # Calls of services are answered outside FastAPI.
    assert sorted(row.route for row in TABLE) == sorted(routes | {"POST /api/{name}/{version}"})


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.route)
def test_each_route_for_each_caller(people: People, row: Row) -> None:
    method, template = row.route.split(" ")
    for caller, expected in zip(CALLERS, row.answers, strict=True):
        names = people.thing(row.thing, fresh=row.fresh and expected < 300)
        path = re.sub(r":\w+}", "}", template).format_map(_Names(names))
        response = people.send(caller, method, path, **row.options())
        assert response.status_code == expected, (caller, response.text)
        assert response.headers["x-request-id"]
        if row.route == "POST /sessions" and expected == 201:
            people.send(caller, "DELETE", f"/sessions/{response.json()['sessionId']}")
        if expected >= 400:
            assert response.json().keys() == ERROR_MEMBERS
        if expected == 401:
            assert response.headers["www-authenticate"] == "Bearer"
        if row.answers[0] == 401 or "/login" in template:
            assert response.headers["cache-control"] == "no-store"
        response.close()


class _Names(dict[str, str]):
    """Anything will do for what no thing of the test stands for."""

    def __missing__(self, name: str) -> str:
        return "x"


def test_a_service_that_answers_is_not_kept_on_the_way(people: People) -> None:
    path = people.owner.publish(f"Owned{people.number()}", "y = 1")
    for method, status in (("POST", 200), ("GET", 405)):
        response = people.reader.send(method, path, json={})
        assert (response.status_code, response.headers["cache-control"]) == (status, "no-store")


def test_code_is_for_the_publisher_and_owners(people: People) -> None:
    name = f"Owned{people.number()}"
    people.owner.publish(name, "secret = 1", initCode="also_secret = 2")
    for caller, shown in (("owner", True), ("administrator", True), ("foreign", False), ("reader", False)):
        api: Api = getattr(people, caller)
        for path in (f"/services/{name}/V1.0", f"/services/{name}", "/services"):
            (service,) = (entry for entry in api.ok("GET", path) if entry["name"] == name)
            assert (service["code"] == "secret = 1") is shown
            assert (service["initCode"] == "also_secret = 2") is shown
            assert service["myPermissionOnService"] == ("read/write" if shown else "read only")
            assert shown or "secret" not in str(service)


def test_a_demoted_publisher_manages_nothing_any_more(server: ServerProcess) -> None:
    api = signed_in(server, "dora", "Contributor")
    path = api.publish("Dora", "y = 1")
    session = api.session()
    with accounts_of(server) as accounts:
        accounts.change_role("dora", "Reader")
    wait_until(lambda: api.send("GET", "/services").status_code == 401, 5)
    api = Api(server, "dora")
    api.error("PATCH", "/services/Dora/V1.0", 403, json={"description": "mine?"})
    api.error("DELETE", "/services/Dora/V1.0", 403)
    api.error("POST", "/services/Dora/V2.0", 403, json={"code": "y = 1"})
    (service,) = api.ok("GET", "/services/Dora/V1.0")
    assert (service["code"], service["owner"], service["myPermissionOnService"]) == (None, "dora", "read only")
    assert api.consume(path)["success"]
    # The session that ran is the account's to see and to end, not to use.
    assert [entry["id"] for entry in api.ok("GET", "/sessions")] == [session]
    api.error("POST", f"/sessions/{session}/execute", 403, json={"code": "1"})
    api.ok("DELETE", f"/sessions/{session}")


def test_two_publishers_of_one_name_leave_it_to_the_first(people: People) -> None:
    name = f"Owned{people.number()}"
    people.owner.publish(name, "y = 1")
    fault = people.foreign.error("POST", f"/services/{name}/V1.0", 409, json={"code": "y = 2"})
    assert "exists already" in fault["message"]
    people.foreign.error("POST", f"/services/{name}/V2.0", 403, json={"code": "y = 2"})
    people.administrator.publish(name, "y = 2", "V2.0")
    owners = [(entry["version"], entry["owner"]) for entry in people.owner.ok("GET", f"/services/{name}")]
    assert owners == [("V1.0", "ann"), ("V2.0", "admin")]


@pytest.mark.parametrize(
    ("kind", "member"), [("session", "id"), ("snapshot", "id"), ("execution", "executionId"), ("batch", "executionId")]
)
def test_ids_are_random(people: People, kind: str, member: str) -> None:
    """Nobody guesses one from another: 122 bits of each are random."""
    first, second = (people.thing(kind, fresh=True)[member] for _ in range(2))
    assert first != second
    for identity in (first, second):
        assert uuid.UUID(identity).version == 4
        assert identity == str(uuid.UUID(identity))


def test_anothers_id_looks_like_one_that_is_not_there(people: People) -> None:
    session, snapshot = people.thing("session", fresh=False)["id"], people.thing("snapshot", fresh=False)["id"]
    unknown = "00000000-0000-4000-8000-000000000000"
    for method, path in (
        ("POST", "/sessions/{session}/cancel"),
        ("GET", "/sessions/{session}"),
        ("GET", "/sessions/{session}/files/a.txt"),
        ("GET", "/sessions/{session}/workspace/x"),
        ("DELETE", "/sessions/{session}"),
        ("GET", "/snapshots/{snapshot}"),
        ("DELETE", "/snapshots/{snapshot}"),
    ):
        anothers = people.foreign.error(method, path.format(session=session, snapshot=snapshot), 404)
        assert anothers == people.foreign.error(method, path.format(session=unknown, snapshot=unknown), 404)
    body = {"code": "y = 1", "snapshotId": snapshot}
    anothers = people.foreign.error("POST", "/services/Borrowed/V1.0", 404, json=body)
    assert anothers == people.foreign.error(
        "POST", "/services/Borrowed/V1.0", 404, json={**body, "snapshotId": unknown}
    )
    for api in (people.foreign, people.administrator):
        assert session not in str(api.ok("GET", "/sessions"))
        assert snapshot not in str(api.ok("GET", "/snapshots"))
