"""The service that both sides serve: which Iris is it? And how each side is started."""

from __future__ import annotations

import datetime
import pickle
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests
from sklearn import datasets, svm

from benchmarks.servers import running

FLOWERS = {
    (7.0, 3.2, 4.7, 1.4): "I. versicolor",
    (3.0, 2.6, 3.0, 2.5): "I. versicolor",
    (5.1, 3.5, 1.4, 0.2): "I. setosa",
}
BODY = b'{"flower_data":[7,3.2,4.7,1.4]}'
PATH = "/api/Iris/V1.0"
PEER_WORKERS = 2

_SESSION_CODE = """
import pickle
with open({model!r}, "rb") as file:
    clf = pickle.load(file)
names = ("I. setosa", "I. versicolor", "I. virginica")
"""
_SERVICE_CODE = "iris_species = [names[x] for x in clf.predict([flower_data])]"


@dataclass(frozen=True)
class Side:
    """One of the servers, ready: the service's URL and the header that opens it."""

    name: str
    url: str
    authorization: str

    def check(self) -> None:
        """Ask for each flower. Raises AssertionError on a wrong answer."""
        headers = {"Authorization": self.authorization}
        for flower, species in FLOWERS.items():
            answer = requests.post(self.url, json={"flower_data": flower}, headers=headers, timeout=30)
            expected = {
                "success": True,
                "errorMessage": "",
                "consoleOutput": "",
                "changedFiles": [],
                "outputFiles": {},
                "outputParameters": {"iris_species": [species]},
            }
            assert answer.status_code == 200, f"{self.name}: {answer.status_code} {answer.text}"
            assert answer.json() == expected, f"{self.name}: {answer.text}"
        assert requests.post(self.url, data=BODY, timeout=30).status_code in (401, 403), f"{self.name} needs no token"


def train(directory: Path) -> Path:
    """Fit the classifier, once for both sides, and keep it in a file."""
    iris = datasets.load_iris()
    path = directory / "model.pickle"
    path.write_bytes(pickle.dumps(svm.SVC().fit(iris.data, iris.target)))
    return path


@contextmanager
def published(model: Path, directory: Path) -> Iterator[Side]:
    """This project: its server, and the service published over its API."""
    password = "Aa1!" + secrets.token_urlsafe(8)
    environment = {"DEPLOYR_ADMIN_PASSWORD": password, "JUPYTER_RUNTIME_DIR": str(directory / "runtime")}
    command = ["-m", "jupyter_deployr", "serve", "--port=0", f"--data-dir={directory / 'data'}"]

    def ready(line: str) -> str | None:
        said = re.search(r"DeployR server ready at (http://\S+)", line)
        return said[1].rstrip("/.") if said else None

    with running(command, environment, ready) as url, requests.Session() as http:

        def call(method: str, path: str, body: Any = None) -> Any:
            answer = http.request(method, url + path, json=body, timeout=120)
            assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
            return answer.json() if answer.content else None

        token = call("POST", "/login", {"username": "admin", "password": password})["access_token"]
        authorization = f"Bearer {token}"
        http.headers["Authorization"] = authorization
        session = call("POST", "/sessions", {"name": "Iris", "runtimeType": "Python"})["sessionId"]
        executed = call("POST", f"/sessions/{session}/execute", {"code": _SESSION_CODE.format(model=str(model))})
        assert executed["success"], executed["errorMessage"]
        snapshot = call("POST", f"/sessions/{session}/snapshot", {"name": "Iris"})["snapshotId"]
        definition = {
            "code": _SERVICE_CODE,
            "snapshotId": snapshot,
            "inputParameterDefinitions": [{"name": "flower_data", "type": "vector"}],
            "outputParameterDefinitions": [{"name": "iris_species", "type": "vector"}],
            "runtimeType": "Python",
        }
        call("POST", "/services/Iris/V1.0", definition)
        call("DELETE", f"/sessions/{session}")
        yield Side("jupyter_deployr", url + PATH, authorization)


@contextmanager
def by_hand(model: Path, module: str, name: str) -> Iterator[Side]:
    """The FastAPI app in a module of `benchmarks.peers` under uvicorn."""
    secret = secrets.token_hex(32)
    command = ["-m", "uvicorn", f"benchmarks.peers.{module}:app", "--port=0", f"--workers={PEER_WORKERS}"]
    command += ["--loop=uvloop", "--http=httptools", "--no-access-log"]
    address: list[str] = []
    workers: list[str] = []

    def ready(line: str) -> str | None:
        if said := re.search(r"running on (http://[\d.:]+)", line):
            address.append(said[1])
        if "startup complete" in line:
            workers.append(line)
        return address[0] if len(workers) == PEER_WORKERS else None

    claims = {"sub": "admin", "exp": datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=8)}
    token = jwt.encode(claims, secret, algorithm="HS256")
    with running(command, {"IRIS_SECRET": secret, "IRIS_MODEL": str(model)}, ready) as url:
        yield Side(name, url + PATH, f"Bearer {token}")
