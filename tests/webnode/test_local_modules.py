"""Modules that lie in a session's working directory: saved with it, and imported where it is restored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api import Api, definitions

HELPER = '''
import os
os.makedirs("pack", exist_ok=True)
open("helper.py", "w").write("""
factor = 2
def scaled(x): return x * factor
class Thing:
    def __init__(self, x): self.x = x
    def value(self): return scaled(self.x)
""")
open("pack/__init__.py", "w").write("from pack.inner import twice")
open("pack/inner.py", "w").write("""from helper import scaled
def twice(x): return scaled(scaled(x))
class Part: pass""")
'''
USES = """
import helper, pack.inner as inner
from helper import Thing, scaled
from pack import twice
thing = Thing(5); part = inner.Part()
def both(x): return [helper.scaled(x), twice(x), thing.value(), type(part) is inner.Part, isinstance(thing, Thing)]
"""
EXPECTED = [6, 12, 10, True, True]


@pytest.fixture(scope="module")
def snapshot(api: Api) -> str:
    return api.snapshot(HELPER + USES)


def _value(api: Api, session: str, code: str) -> Any:
    answer = api.execute(session, f"result = {code}", outputs=["result"])
    assert answer["success"], answer["errorMessage"]
    return answer["outputParameters"][0]["value"]


def test_in_another_session(api: Api, snapshot: str) -> None:
    session = api.session(snapshotId=snapshot)
    assert _value(api, session, "both(3)") == EXPECTED
    assert _value(api, session, "helper.Thing is Thing and inner.scaled is scaled") is True
    assert _value(api, session, "__import__('pack').twice is twice") is True


@pytest.mark.parametrize("isolation", ["namespace", "reload", "process"])
def test_in_a_service(api: Api, snapshot: str, isolation: str) -> None:
    path = api.publish(
        f"Local-modules-{isolation}",
        "from pack.inner import Part\ny = both(x) + [Part is type(part)]",
        snapshotId=snapshot,
        isolation=isolation,
        inputParameterDefinitions=definitions(x="integer"),
        outputParameterDefinitions=definitions(y="vector"),
    )
    for _ in range(2):
        result = api.consume(path, x=3)
        assert result["outputParameters"] == {"y": [*EXPECTED, True]}, result
        assert result["changedFiles"] == []


def test_a_session_that_imported_an_older_one_gets_the_snapshots(api: Api, snapshot: str) -> None:
    session = api.session()
    older = "open('helper.py', 'w').write('def scaled(x): return -x\\nclass Thing: pass')"
    assert api.execute(session, f"{older}\nimport helper; old = helper.Thing()")["success"]
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{snapshot}")
    assert _value(api, session, "both(3)") == EXPECTED
    assert _value(api, session, "isinstance(old, Thing)") is False
    assert _value(api, session, "[__import__('helper') is helper, helper.scaled(1)]") == [True, 2]


def test_a_session_that_imported_the_same_one_keeps_it(api: Api, snapshot: str) -> None:
    session = api.session()
    assert api.execute(session, HELPER + "import helper; mine = helper.Thing(1); helper.factor = 7")["success"]
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{snapshot}")
    assert _value(api, session, "[isinstance(mine, Thing), mine.value(), helper.factor]") == [True, 7, 7]


def test_a_module_written_after_a_vain_import(api: Api, snapshot: str) -> None:
    session = api.session()
    assert "ModuleNotFoundError" in api.execute(session, "import helper")["errorMessage"]
    api.ok("POST", f"/sessions/{session}/loadsnapshot/{snapshot}")
    assert _value(api, session, "both(3)") == EXPECTED


# how the session came by its module -> what is not kept, and words of the reason
OUT_OF_REACH = {
    "a folder that only the session searches": (
        "os.makedirs('lib'); sys.path.insert(0, 'lib')\nopen('lib/out_of_reach.py', 'w').write(source)",
        "into the working directory",
    ),
    "a folder elsewhere": (
        "place = tempfile.mkdtemp(); sys.path.insert(0, place)\nopen(place + '/out_of_reach.py', 'w').write(source)",
        "into the working directory",
    ),
    "a file that is gone": ("open('out_of_reach.py', 'w').write(source)", "write it again"),
}


@pytest.mark.parametrize("how", OUT_OF_REACH)
def test_a_module_that_others_cannot_import_is_named(api: Api, how: str) -> None:
    code, reason = OUT_OF_REACH[how]
    gone = "os.remove('out_of_reach.py')" if "gone" in how else ""
    session = api.session()
    source = "source = 'class C: pass\\ndef f(): pass'"
    uses = "import out_of_reach as m\nfrom out_of_reach import f\nc = m.C(); g = lambda: m; kept = [1]"
    answer = api.execute(session, f"import os, sys, tempfile\n{source}\n{code}\n{uses}\n{gone}")
    assert answer["success"], answer
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})
    assert {entry["name"] for entry in made["notKept"]} == {"m", "f", "c"}
    assert all("'out_of_reach'" in entry["reason"] and reason in entry["reason"] for entry in made["notKept"])
    fresh = api.session(snapshotId=made["snapshotId"])
    assert _value(api, fresh, "kept") == [1]


def test_importing_a_module_changes_no_file(api: Api) -> None:
    session = api.session()
    assert api.execute(session, "open('lone.py', 'w').write('x = 1')")["changedFiles"] == ["lone.py"]
    assert api.execute(session, "import lone")["changedFiles"] == []
