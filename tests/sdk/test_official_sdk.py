"""The official Python SDK itself against the server: what its user sees.

It runs as a program of its own (`program/`): on this Python with the repairs of `program/newer_python.py`, and as it is
on the one in the environment variable DEPLOYR_SDK_PYTHON where there is one, a Python 3.7 with the SDK installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import signed_in
from tests.server_process import ServerProcess

PROGRAM = Path(__file__).with_name("program")
PYTHONS = {"this": sys.executable}
if "DEPLOYR_SDK_PYTHON" in os.environ:
    PYTHONS["old"] = os.environ["DEPLOYR_SDK_PYTHON"]


def _result(error: str = "", console: str = "", **outputs: Any) -> dict[str, Any]:
    return {"error": error, "console": console, "outputs": outputs}


_BATCH = [
    "Complete",
    3,
    3,
    [_result(y=2.0), _result(y=0.5), _result("ZeroDivisionError: float division by zero", y=None)],
    True,
    "Complete",
]

# What each scenario of `program/scenarios.py` returns; the names of services are without the prefix of the run.
SEEN: dict[str, Any] = {
    "sign_in": {
        "wrong password": [401, "Invalid credentials: the user name or the password is wrong."],
        "token": True,
        "no token": 401,
        "nobody": 401,
    },
    "from_a_function": {
        "left behind": [0, 0],
        "class": "FunctionService",
        "documented": [":param float x: The required service input.", "Output: float y"],
        "known": {
            "published_by": "sdk",
            "runtime": "Python",
            "description": "Scales",
            "operation_id": "scaled",
        },
        "inputs": [{"name": "x", "type": "float"}, {"name": "shift", "type": "int"}],
        "called": _result(console="scaling 2.0\n", y=22.5),
        "again": _result(console="scaling 0.25\n", y=2.5),
        "swagger": True,
    },
    "from_a_string": {
        "described": "Größe",
        "operation": "shout",
        "called": _result(length=6, loud="GRÖSSER!"),
    },
    "types": {
        "int-float-str": {
            "got": {"ndarray": ["int", "float", "str"]},
            "out_int": 3,
            "out_float": 2.0,
            "out_str": "größer",
        },
        "no int-float-str": [
            400,
            "in_int is missing: expected integer, a whole number; in_float is missing: expected numeric, a number; "
            "in_str is missing: expected character, a string.",
        ],
        "bool-array-matrix": {
            "got": {"ndarray": ["bool", "ndarray", "ndarray"]},
            "out_bool": True,
            "out_array": {"ndarray": [1.0, 2.5]},
            "out_matrix": {"matrix": [[1, 2], [3, 4]]},
        },
        "no bool-array-matrix": [
            400,
            "in_bool is missing: expected logical, true or false; in_array is missing: expected vector, a flat array; "
            "in_matrix is missing: expected matrix, an array of equally long rows.",
        ],
        "DataFrame": {
            "got": {"ndarray": ["DataFrame"]},
            "out_DataFrame": {"DataFrame": {"b": [1, 2], "a": ["p", "q"]}},
        },
        "no DataFrame": [400, "in_DataFrame is missing: expected data.frame, an object of equally long columns."],
    },
    "empty_and_missing_values": {
        "no rows": {"size": 0, "v": {"ndarray": [1.5, None]}, "n": None},
        "no columns": {"size": 0, "v": {"ndarray": [1.5, None]}, "n": None},
    },
    "objects": _result(
        y=r"[{'a': [1, (2, 3)], 'b': None}, [0.0, 1.0, 2.0], datetime.date(2017, 10, 5), b'\x00\xff', {1}]"
    ),
    "redeploy": {
        "at first": {"y": 10.0},
        "description": {"y": 10.0},
        "code and objects": {"y": 9.0},
        "inputs and outputs": {"y": 2, "z": "z"},
        "function and artifacts": [{"y": 7.0}, ["a.txt"]],
        "described": "new",
        "versions": 1,
        "unknown": [404, "There is no service Redeploy 2."],
        # The SDK's own fault; what it asked for was answered.
        "no version": ["ValueError", "Attempt to patch latest service version failed forRedeploy"],
    },
    "batch": {
        "dict": _BATCH,
        "list": _BATCH,
        "DataFrame": _BATCH,
        "cancelled": [404, "There is no batch execution of that id."],
        "listed": 2,
        "wrong": _result("x must be numeric, a number, not the string 'one'.", y=None),
        "default": 25,
    },
    "artifacts": {
        "declared": ["t.txt", "b.bin"],
        "called": ["x is 7", [0, 255, 7]],
        "missing": ["x is 0", None],
        "listed": [["t.txt"], ["b.bin", "t.txt"]],
        "read": "x is 0",
        "downloaded": ["b.bin", [0, 255, 1]],
        "not written": [404, "Record 0 has written no file of that name."],
        "no record": [404, "The batch execution has no record 2: it has 2, counted from 0."],
    },
    "code_that_fails": _result("NameError: name 'p' is not defined", "before\n", y=None),
    "code_that_cannot_be_published": {
        "no code": [400, "The code of the service is missing."],
        "syntax": [400, "The code doesn't compile: SyntaxError in code, line 1: y = (invalid syntax)."],
        "left behind": [0, 0],
    },
    "the_same_version_twice": {
        "refused": [409, "Twice 1 exists already. Publish another version, or patch this one."],
        "left behind": [0, 0],
        "called": {"y": 1},
    },
    "versions": {
        "given": 36,
        "listed": [True, "2.0", "1.0"],
        "one": ["2.0"],
        "all": 3,
        "latest": {"y": 1.0},
        "got": {"y": 2.0},
        "deleted": True,
        "then latest": {"y": 2.0},
        "gone": [404, "There is no service Versions 1.0."],
        "deleted twice": [404, "There is no service Versions 1.0."],
        "called": [404, "There is no service of that name and version."],
        "none": [],
        "nothing": ["ValueError", "No service found for Versions version None"],
    },
    "names": {
        "With space": [True, "1 0", {"y": 1}, True, True],
        "Größe": [True, "1.0.0-rc.1", {"y": 1}, True, True],
    },
    "realtime": {"deployed": 501, "without version": 501, "redeployed": 501},
}

Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What the program told on each Python. They run at the same time, each with an account of its own."""
    running = {}
    for number, (python, executable) in enumerate(PYTHONS.items()):
        file = tmp_path_factory.mktemp("sdk") / "told.json"
        account = f"sdk-{number}"
        signed_in(server, account, "Contributor").http.close()
        # Digits end the prefix because the SDK capitalizes what follows them in the name of a class.
        arguments = [executable, str(PROGRAM), server.url, account, f"Sdk{number}", str(file)]
        environment = {
            **os.environ,
            "DEPLOYR_PASSWORD": server.password,
            "NO_PROXY": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
        }
        process = subprocess.Popen(
            arguments, env=environment, cwd=file.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        running[python] = (process, file, number)
    told = {}
    for python, (process, file, number) in running.items():
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"{python}: {output}"
        text = file.read_text().replace(f"sdk-{number}", "sdk").replace(f"Sdk{number}", "")
        told[python] = json.loads(text)
    return told


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("scenario", SEEN)
def test_a_user_of_the_sdk_sees(told: Told, scenario: str, python: str) -> None:
    seen = told[python][scenario]
    assert seen == SEEN[scenario], seen


# Code and frames are of one Python and one pandas; where the session's are others, it says so.
FUNCTIONS_AND_FRAMES = {
    "this": {"function": ({"y": 42}, ""), "frame": ({"y": 3}, "")},
    "old": {"function": (400, "of an older Python"), "frame": (400, "'frame' can't be loaded by dill")},
}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("kind", ["function", "frame"])
def test_functions_and_frames_as_objects(told: Told, python: str, kind: str) -> None:
    expected, message = FUNCTIONS_AND_FRAMES[python][kind]
    seen = told[python]["objects_of_this_python"][kind]
    if message:
        assert seen[0] == expected
        assert message in seen[1]
    else:
        assert seen == expected


def test_every_scenario_is_looked_at(told: Told) -> None:
    for scenarios in told.values():
        assert scenarios.keys() == SEEN.keys() | {"objects_of_this_python"}
