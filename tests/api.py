"""Plain HTTP against a server, without our own client: what any program would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from tests.server_process import ServerProcess

IRIS_SESSION = """
from sklearn import datasets, svm
iris = datasets.load_iris()
names = {0: "I. setosa", 1: "I. versicolor", 2: "I. virginica"}
clf = svm.SVC().fit(iris.data, iris.target)
"""
IRIS_CODE = "iris_species = [names[x] for x in clf.predict([flower_data])]"

ERROR_MEMBERS = {"message", "code", "link", "exceptionType", "fields"}


def definitions(**types: str) -> list[dict[str, str]]:
    """Parameter definitions as they travel."""
    return [{"name": name, "type": kind} for name, kind in types.items()]


class Api:
    """Requests to one server, signed in as its administrator, or as another account of the same password."""

    def __init__(self, server: ServerProcess, name: str = "admin") -> None:
        self.url = server.url
        self.http = requests.Session()
        self.http.trust_env = False
        self.tokens = self.http.post(
            f"{self.url}/login", json={"username": name, "password": server.password}, timeout=60
        ).json()
        self.http.headers["Authorization"] = f"Bearer {self.tokens['access_token']}"

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request."""
        return self.http.request(method, self.url + path, timeout=60, **options)

    def ok(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """A request that must answer with `status`; returns its JSON."""
        response = self.send(method, path, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def error(self, method: str, path: str, status: int, **options: Any) -> dict[str, Any]:
        """A request that must fail with `status` and a whole Error body; returns the body."""
        response = self.send(method, path, **options)
        assert response.status_code == status, response.text
        assert response.headers["x-request-id"]
        body: dict[str, Any] = response.json()
        assert body.keys() == ERROR_MEMBERS
        assert body["code"] == status
        return body

    def session(self, **members: Any) -> str:
        """A new session's id."""
        return str(self.ok("POST", "/sessions", 201, json={"runtimeType": "Python", **members})["sessionId"])

    def execute(
        self, session: str, code: str, inputs: Mapping[str, Any] | None = None, outputs: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Run code in a session; returns the ExecuteResponse."""
        given = [{"name": name, "value": value} for name, value in (inputs or {}).items()]
        body = {"code": code, "inputParameters": given, "outputParameters": list(outputs)}
        answer: dict[str, Any] = self.ok("POST", f"/sessions/{session}/execute", json=body)
        return answer

    def snapshot(self, code: str, name: str | None = None) -> str:
        """The id of a snapshot of a fresh session that ran `code`."""
        session = self.session()
        assert self.execute(session, code)["success"]
        identity = self.ok("POST", f"/sessions/{session}/snapshot", 201, json={"name": name})["snapshotId"]
        self.ok("DELETE", f"/sessions/{session}")
        return str(identity)

    def publish(self, name: str, code: str, version: str = "V1.0", **members: Any) -> str:
        """Publish a version; returns its path."""
        return str(self.ok("POST", f"/services/{name}/{version}", 201, json={"code": code, **members}))

    def consume(self, path: str, **inputs: Any) -> dict[str, Any]:
        """Call a service; returns the WebServiceResult."""
        answer: dict[str, Any] = self.ok("POST", path, json=inputs)
        return answer


def publish_iris(api: Api, name: str = "Iris", version: str = "V1.0") -> str:
    """Train, snapshot and publish the Iris classifier; returns its path."""
    return api.publish(
        name,
        IRIS_CODE,
        version,
        snapshotId=api.snapshot(IRIS_SESSION),
        inputParameterDefinitions=definitions(flower_data="vector"),
        outputParameterDefinitions=definitions(iris_species="vector"),
    )
