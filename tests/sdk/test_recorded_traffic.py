"""What the official SDK sent when it was recorded on Python 3.7, sent again in every run.

`traffic.json` has the exchanges of each scenario of `program/scenarios.py` in their order: the request as it went out,
and of the answer the status and what the SDK read, as JSON pointers with the values that it found. What each run has
anew is a name in braces. `python tests/sdk/program … --record` makes the file anew.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server_process import ServerProcess
from tests.waiting import wait_until

TRAFFIC = json.loads(Path(__file__).with_name("traffic.json").read_text(encoding="utf-8"))
_GIVEN = re.compile(r"\{(?:token|session|snapshot|batch|id)\d+\}")
_KINDS = {"{object}": dict, "{array}": list}


class Player:
    """Sends requests of the recording to a server and compares the answers."""

    def __init__(self, server: ServerProcess) -> None:
        self._url = server.url
        self._given = {"{password}": server.password}
        self._http = requests.Session()
        self._http.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def play(self, exchange: dict[str, Any]) -> None:
        """One exchange; a poll is repeated until it is answered as it was in the end."""
        wanted = exchange.get("until", {})

        def ready() -> bool:
            nonlocal response
            response = self._send(exchange)
            return all(_found(response.json(), pointer) == value for pointer, value in wanted.items())

        response: requests.Response
        wait_until(ready, 60)
        self._compare(exchange["answer"], response)

    def _send(self, exchange: dict[str, Any]) -> requests.Response:
        headers = {**TRAFFIC["headers"], "Authorization": "Bearer {token1}", **exchange.get("headers", {})}
        if exchange["path"] == "/login":
            headers["Authorization"] = None
        body = None
        if "json" in exchange:
            body = self._filled(json.dumps(exchange["json"])).encode()
        elif "base64" in exchange:
            body = base64.b64decode(exchange["base64"])
        sent = {name: value and self._filled(value) for name, value in headers.items()}
        url = self._url + self._filled(exchange["path"])
        return self._http.request(exchange["method"], url, data=body, headers=sent, timeout=60)

    def _compare(self, recorded: dict[str, Any], response: requests.Response) -> None:
        assert response.status_code == recorded["status"], response.text
        if response.status_code >= 400:
            assert response.json()["message"]
        if "base64" in recorded:
            assert response.content == base64.b64decode(recorded["base64"])
        if "text" in recorded:
            assert response.text
        for pointer, value in recorded.get("reads", {}).items():
            found = _found(response.json(), pointer)
            if value == "{time}":
                assert datetime.datetime.fromisoformat(found)
            elif isinstance(value, str) and value in _KINDS:
                assert isinstance(found, _KINDS[value]), pointer
            elif isinstance(value, str) and _GIVEN.fullmatch(value):
                assert found
                assert self._given.setdefault(value, found) == found, pointer
            else:
                assert (type(found), found) == (type(value), value), pointer

    def _filled(self, text: str) -> str:
        for name, value in self._given.items():
            text = text.replace(name, value)
        assert not _GIVEN.search(text), text
        return text


def _found(document: Any, pointer: str) -> Any:
    """What is there; None where nothing is, as the SDK's `get` says it. An index may be -1."""
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document.get(step)
    return document


@pytest.fixture
def player(server: ServerProcess) -> Iterator[Player]:
    player = Player(server)
    yield player
    player.close()


@pytest.mark.parametrize("scenario", TRAFFIC["scenarios"])
def test_each_request_is_answered_as_the_sdk_reads_it(player: Player, scenario: str) -> None:
    for exchange in TRAFFIC["scenarios"][scenario]:
        player.play(exchange)


# The method and the path of each call that the SDK makes, as its documentation lists them.
CALLS = [
    "POST /login",
    "POST /sessions",
    "POST /sessions/{}/workspace/{}",
    "POST /sessions/{}/snapshot",
    "DELETE /sessions/{}",
    "DELETE /snapshots/{}",
    "GET /services",
    "POST /services/{}",
    "GET /services/{}",
    "POST /services/{}/{}",
    "GET /services/{}/{}",
    "PATCH /services/{}/{}",
    "DELETE /services/{}/{}",
    "POST /realtime-services/{}",
    "POST /realtime-services/{}/{}",
    "PATCH /realtime-services/{}/{}",
    "POST /api/{}/{}",
    "GET /api/{}/{}/swagger.json",
    "POST /api/{}/{}/batch?parallelCount={}",
    "GET /api/{}/{}/batch",
    "GET /api/{}/{}/batch/{}?showPartialResult={}",
    "DELETE /api/{}/{}/batch/{}",
    "GET /api/{}/{}/batch/{}/{}/files",
    "GET /api/{}/{}/batch/{}/{}/files/{}",
]


@pytest.mark.parametrize("call", CALLS)
def test_the_recording_has_every_call_of_the_sdk(call: str) -> None:
    pattern = re.compile(re.escape(call).replace(r"\{\}", "[^/?]+"))
    played = (f"{each['method']} {each['path']}" for played in TRAFFIC["scenarios"].values() for each in played)
    assert any(map(pattern.fullmatch, played))
