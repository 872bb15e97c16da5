"""Schemathesis against the core document: what it makes up is answered as the document says, and never with 5xx."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.api import Api
from tests.server_process import ServerProcess

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Realtime services answer 501, as documented, which the first check can't know; the change feed has no end.
LEFT_OUT = "^/realtime-services/|^/events$"
# What made-up names don't reach: operations that read or call what is there, by what their paths name.
OF_SERVICES = [
    "GetWebServiceOpenApi",
    "GetWebServiceSwagger",
    "createOrUpdateServicePool",
    "getServicePoolStatus",
    "getWebServiceLog",
    "getWebServiceStats",
    "getWebServiceVersion",
    "patchWebServiceVersion",
]
OF_SESSIONS = ["CreateSnapshot", "cancelSession", "executeCode"]
OF_SNAPSHOTS = ["GetSnapshotContent"]


def configuration(api: Api) -> str:
    """Schemathesis' own file: a service, a session and a snapshot for these operations."""
    api.publish("Found", "y = x", inputParameterDefinitions=[{"name": "x", "type": "numeric"}])
    known = [
        (OF_SERVICES, {"path.name": "Found", "path.version": "V1.0"}),
        (OF_SESSIONS, {"path.id": api.session()}),
        (OF_SNAPSHOTS, {"path.id": api.snapshot("x = 1")}),
    ]
    tables = []
    for operations, parameters in known:
        members = ", ".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items())
        tables.append(f"[[operations]]\ninclude-operation-id = {json.dumps(operations)}\nparameters = {{{members}}}\n")
    return "\n".join(tables)


def test_what_schemathesis_makes_up(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    api = Api(start_server())
    settings, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    settings.write_text(configuration(api))
    command = [
        str(Path(sys.executable).with_name("st")),
        f"--config-file={settings}",
        "run",
        f"{api.url}/openapi.json",
        f"--header=Authorization: Bearer {api.tokens['access_token']}",
        "--phases=coverage,fuzzing",
        f"--checks={CHECKS}",
        f"--exclude-path-regex={LEFT_OUT}",
        "--generation-deterministic",
        "--max-examples=8",
        "--request-timeout=30",
        "--continue-on-failure",
        "--no-color",
        "--report=json",
        f"--report-json-path={report}",
    ]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    found = json.loads(report.read_text())
    assert (found["complete"], found["failures"], found["errors"]) == (True, [], [])
    document = api.ok("GET", "/openapi.json")
    described = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not re.search(LEFT_OUT, path)
    }
    assert found["operations"]["tested"] == len(described)
    assert found["test_cases"]["generated"] > 10 * len(described)
    reached = {
        name for name, rates in found["valid_rates"].items() if any(phase["accepted"] for phase in rates.values())
    }
    assert {described[identity] for identity in (*OF_SERVICES, *OF_SESSIONS, *OF_SNAPSHOTS)} <= reached
