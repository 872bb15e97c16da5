"""Versions of each isolation; what is undone in which of them is in test_leaks.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api import Api, definitions
from tests.webnode.kinds_of_leaks import MODES, SESSION


@pytest.fixture(scope="module")
def snapshot(api: Api) -> str:
    return api.snapshot(SESSION)


def test_nothing_is_emptied_that_a_call_puts_in_the_directorys_place(api: Api, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    code = f"""
import os, shutil
where = os.getcwd()
assert os.path.basename(where) == "work"
shutil.rmtree(where); os.symlink({str(tmp_path)!r}, where)
y = 1
"""
    for isolation in MODES:
        path = api.publish(
            f"Swapped-{isolation}", code, isolation=isolation, outputParameterDefinitions=definitions(y="integer")
        )
        for _ in range(4):
            assert api.consume(path)["outputParameters"] == {"y": 1}
        assert (tmp_path / "precious").read_text() == "kept"


def test_what_is_printed_at_an_objects_end_is_nobody_elses(api: Api, snapshot: str) -> None:
    path = api.publish(
        "Ends", "if who: tells = Tells()", snapshotId=snapshot, inputParameterDefinitions=definitions(who="logical")
    )
    for _ in range(6):
        api.consume(path, who=True)
        assert api.consume(path, who=False)["consoleOutput"] == ""


@pytest.mark.parametrize("isolation", MODES)
def test_random_numbers_are_the_snapshots(api: Api, isolation: str) -> None:
    session = api.session()
    api.execute(session, "import random, numpy as np\nrandom.seed(7); np.random.seed(7)")
    drawn = "[random.random(), float(np.random.random())]"
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    expected = api.execute(session, f"x = {drawn}", outputs=["x"])["outputParameters"][0]["value"]
    members = {"snapshotId": made, "isolation": isolation, "outputParameterDefinitions": definitions(x="vector")}
    path = api.publish(f"Seeded-{isolation}", f"x = {drawn}", **members)
    assert [api.consume(path)["outputParameters"]["x"] for _ in range(4)] == [expected] * 4


@pytest.mark.parametrize("isolation", MODES)
def test_a_submodule_that_calls_import(api: Api, snapshot: str, isolation: str) -> None:
    path = api.publish(
        f"Imports-{isolation}",
        "import package.scoring\ny = package.scoring.count",
        snapshotId=snapshot,
        isolation=isolation,
        outputParameterDefinitions=definitions(y="integer"),
    )
    for _ in range(6):
        assert api.consume(path)["outputParameters"] == {"y": 1}


def test_what_may_stay_is_noted_where_it_can_be_seen_coming(api: Api, snapshot: str) -> None:
    mine = "class Mine(list): pass\nmine = Mine()\n"
    members = {"snapshotId": snapshot, "initCode": mine, "outputParameterDefinitions": definitions(y="vector")}
    api.publish(
        "Noted", "def use(): return array\ny = [len(mine), len(large), box.items[0], use()[0], count]", **members
    )
    (service,) = api.ok("GET", "/services/Noted/V1.0")
    text = " ".join(service["notes"])
    assert all(name in text for name in ("large (2,000 elements)", "box (Box)", "array (ndarray)", "mine (Mine)"))
    assert "count" not in text
    answer = api.send("PATCH", "/services/Noted/V1.0", json={"description": "Noted"})
    assert json.loads(answer.headers["X-DeployR-Notes"]) == service["notes"]
    answer = api.send("PATCH", "/services/Noted/V1.0", json={"isolation": "process"})
    assert "X-DeployR-Notes" not in answer.headers
    (service,) = api.ok("GET", "/services/Noted/V1.0")
    assert (service["isolation"], service["notes"]) == ("process", [])


def test_an_estimator_is_noted_where_it_may_be_changed(api: Api) -> None:
    fitted = "from sklearn.linear_model import LinearRegression\nclf = LinearRegression().fit([[0], [1]], [0, 1])\n"
    members = {"snapshotId": api.snapshot(fitted), "outputParameterDefinitions": definitions(y="vector")}
    for name, code, noted in (
        ("Asked", "y = clf.predict([[2]])", False),
        ("Refitted", "y = clf.fit([[0], [1]], [0, 2]).predict([[2]])", True),
        ("Tuned", "clf.coef_ = 3\ny = clf.predict([[2]])", True),
    ):
        api.publish(name, code, **members)
        (service,) = api.ok("GET", f"/services/{name}/V1.0")
        assert ("clf (LinearRegression)" in " ".join(service["notes"])) == noted


def test_an_unknown_isolation(api: Api) -> None:
    fault = api.error("POST", "/services/Unknown/V1.0", 400, json={"code": "x = 1", "isolation": "vm"})
    assert "namespace, reload, process" in fault["message"]


@pytest.mark.parametrize(
    ("code", "how"), [("import os; os._exit(5)", "exit code 5"), ("import ctypes; ctypes.string_at(0)", "signal 11")]
)
def test_a_call_in_a_process_of_its_own_may_die(api: Api, code: str, how: str) -> None:
    name = f"OneShot-{how.replace(' ', '-')}"
    path = api.publish(name, code, isolation="process")
    for _ in range(2):
        assert how in api.error("POST", path, 502, json={})["message"]


def test_init_code_that_fails_is_refused_in_every_isolation(api: Api) -> None:
    for isolation in MODES:
        body = {"code": "x = 1", "initCode": "1 / 0", "isolation": isolation}
        assert "ZeroDivisionError" in api.error("POST", "/services/BadInit/V1.0", 400, json=body)["message"]
