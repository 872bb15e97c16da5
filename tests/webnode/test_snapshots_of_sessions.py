"""Snapshots of real sessions: their kernel's own settings are no changes, and nothing that cells do ends it."""

from __future__ import annotations

import pytest

from tests.api import Api

STRICT = {"name": "whole", "strict": True}


def test_a_session_that_only_imports_can_be_kept_strictly(api: Api) -> None:
    session = api.session()
    imports = "math, json, os, sys, re, time, random, datetime, logging, warnings, decimal, asyncio, faulthandler"
    api.execute(session, f"import {imports}\nimport numpy as np, pandas as pd, sklearn, scipy.sparse, scipy.stats")
    api.execute(session, "from sklearn import svm, datasets\nfit = svm.SVC().fit([[0], [1]], [0, 1])")
    api.execute(session, "print(pd.DataFrame({'a': [1]}), np.linalg.norm([1]), scipy.stats.norm.cdf(0))")
    assert api.ok("POST", f"/sessions/{session}/snapshot", 201, json=STRICT)["notKept"] == []


# what -> (cells, one by one; what is drawn from a session that starts from the snapshot; its value)
SETTINGS = {
    "numpy's print options": (
        ["import numpy as np", "np.set_printoptions(precision=2)"], "str(np.array([1.23456]))", "[1.23]"),
    "numpy's error handling": (["import numpy as np", "np.seterr(divide='raise')"], "np.geterr()['divide']", "raise"),
    "the context of decimal": (["import decimal", "decimal.getcontext().prec = 5"], "decimal.getcontext().prec", 5),
    "a value in a module": (["import math", "math.tau2 = 6"], "math.tau2", 6),
    "a value in a module imported late": (["import this_one", "this_one.n = 6"], "this_one.n", 6),
    "no warning filters": (["import warnings", "warnings.resetwarnings()"], "len(warnings.filters)", 0),
    "the way to write": (["import sys", "w = sys.stdout.write"], "w('out')", 3),
}  # fmt: skip


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_come_back(api: Api, what: str) -> None:
    cells, look, value = SETTINGS[what]
    session = api.session()
    api.execute(session, "open('this_one.py', 'w').write('n = 1')")
    for cell in cells:
        api.execute(session, cell)
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={**STRICT, "name": what})["snapshotId"]
    answer = api.execute(api.session(snapshotId=made), f"found = {look}", outputs=["found"])
    assert [found["value"] for found in answer["outputParameters"]] == [value]


@pytest.mark.parametrize("name", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_any_bit_generator_of_numpy_comes_back(api: Api, name: str) -> None:
    session = api.session()
    api.execute(session, f"import numpy as np\nnp.random.set_bit_generator(np.random.{name}(1)); np.random.normal()")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    draw = "drawn = [*np.random.normal(size=5), type(np.random.get_bit_generator()).__name__]"
    expected = api.execute(session, draw, outputs=["drawn"])["outputParameters"]
    assert expected[0]["value"][-1] == name
    assert api.execute(api.session(snapshotId=made), draw, outputs=["drawn"])["outputParameters"] == expected


def test_a_service_draws_from_the_bit_generator_of_its_session(api: Api) -> None:
    session = api.session()
    api.execute(session, "import numpy as np\nnp.random.set_bit_generator(np.random.PCG64(1))")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    expected = api.execute(session, "drawn = np.random.random()", outputs=["drawn"])["outputParameters"][0]["value"]
    outputs = [{"name": "drawn", "type": "numeric"}]
    path = api.publish("Drawn", "drawn = np.random.random()", snapshotId=made, outputParameterDefinitions=outputs)
    for _ in range(2):
        assert api.consume(path)["outputParameters"] == {"drawn": expected}


DEEP = {
    "a list": "x = []\nfor _ in range(200_000): x = [x]",
    "a chain": "class N: pass\nx = None\nfor _ in range(100_000):\n    y = N(); y.next = x; x = y\ndel y",
    "closures": "def put(x): return lambda: x\nx = 1\nfor _ in range(100_000): x = put(x)",
}


@pytest.mark.parametrize("what", DEEP)
def test_what_is_deep_does_not_end_a_session_without_a_limit(api: Api, what: str) -> None:
    session = api.session()
    api.execute(session, f"import sys\nsys.setrecursionlimit(10**6)\nkept = [1]\n{DEEP[what]}")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    (item,) = made["notKept"]
    assert item["name"] == "x"
    assert "nested too deeply" in item["reason"]
    look = "found = [kept, sys.getrecursionlimit()]"
    answer = api.execute(session, look, outputs=["found"])["outputParameters"]
    assert answer[0]["value"] == [[1], 10**6]
    there = api.execute(api.session(snapshotId=made["snapshotId"]), "found = kept", outputs=["found"])
    assert there["outputParameters"][0]["value"] == [1]
    api.execute(session, "x = None")


@pytest.mark.parametrize("error", ["SystemExit(3)", "GeneratorExit()", "BaseException('no')"])
def test_an_object_that_ends_things_is_named(api: Api, error: str) -> None:
    session = api.session()
    api.execute(session, f"class Ends:\n    def __reduce__(self): raise {error}\nends = Ends(); kept = 1")
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert [item["name"] for item in made["notKept"]] == ["ends"]
    assert api.execute(session, "found = kept", outputs=["found"])["outputParameters"][0]["value"] == 1
