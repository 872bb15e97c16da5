"""Batch executions over plain HTTP, as tests need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import argon2
import requests

from jupyter_deployr.webnode.auth import CONTRIBUTOR
from jupyter_deployr.webnode.store import Account, AccountStore, Database
from tests.api import Api, definitions
from tests.server_process import ServerProcess
from tests.waiting import wait_until

Document = dict[str, Any]


def publish_double(api: Api, name: str, code: str = "y = 2 * x", **members: Any) -> str:
    """A service of one number x that answers with y; returns its path."""
    return api.publish(
        name,
        code,
        **{
            "inputParameterDefinitions": definitions(x="numeric"),
            "outputParameterDefinitions": definitions(y="numeric"),
            **members,
        },
    )


def numbers(count: int) -> list[Document]:
    """So many records for such a service: x = 0, 1, 2 …"""
    return [{"x": x} for x in range(count)]


def start(api: Api, path: str, records: Sequence[Any], **query: Any) -> str:
    """Start a batch; returns the path of its execution."""
    answer = api.ok("POST", f"{path}/batch", 202, json=records, params=query)
    return f"{path}/batch/{answer['batchExecutionId']}"


def ended(api: Api, execution: str, seconds: float = 60) -> Document:
    """Wait for the end of an execution; returns its status with all results."""

    def state() -> str:
        return str(api.ok("GET", execution, params={"showPartialResults": "false"})["state"])

    wait_until(lambda: state() in ("Complete", "Failed"), seconds)
    status: Document = api.ok("GET", execution)
    return status


def complete(api: Api, execution: str, seconds: float = 60) -> list[Document]:
    """Wait until an execution is complete; returns the results."""
    status = ended(api, execution, seconds)
    assert status["state"] == "Complete", status["errorMessage"]
    assert status["completedItemCount"] == status["totalItemCount"] == len(status["batchExecutionResults"])
    results: list[Document] = status["batchExecutionResults"]
    return results


def outputs(results: Sequence[Document]) -> list[Any]:
    """y of each result."""
    return [result["outputParameters"]["y"] for result in results]


def completed(api: Api, execution: str) -> int:
    """How many records are done."""
    return int(api.ok("GET", execution, params={"showPartialResults": "false"})["completedItemCount"])


def sign_in_another(server: ServerProcess, name: str) -> Api:
    """Requests of an account that is made for it."""
    database = Database(f"sqlite:///{server.data_dir / 'deployr.sqlite3'}")
    hashed = argon2.PasswordHasher().hash(server.password)
    AccountStore(database).put(Account(name, hashed, CONTRIBUTOR, generated=False))
    database.close()
    other = Api(server)
    answer = requests.post(f"{server.url}/login", json={"username": name, "password": server.password}, timeout=60)
    other.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return other
