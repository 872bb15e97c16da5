"""What a call may leave behind for the next one, by kind of leak and by the version's isolation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api import Api, definitions

SESSION = """
import functools, os, random, signal, sys, threading, time, warnings, locale, types
import numpy as np
numbers = [1]; alias = numbers; nested = {"deep": [numbers]}
def default(items=numbers): return items
def outer():
    captured = [1]
    def inner(): return captured
    return inner
closure = outer()
def counting():
    steps = 0
    def step():
        nonlocal steps, late
        steps += 1; late = steps
    def seen():
        try: return steps, late
        except NameError: return steps, None
    if False: late = 0
    return step, seen
step, seen_steps = counting()
step.calls = 0
@functools.cache
def cached(): return count
@functools.lru_cache(3)
def remembered(key): return []
class Tells:
    def __del__(self):
        globals()["told"] = 1
        print("told")
count = 0
class Box: pass
box = Box(); box.items = [1]
array = np.zeros(3)
large = list(range(2000))
open("kept.txt", "w").write("original")
"""

# what a call looks at, and how it changes it: kind of leak -> (look, change)
LEAKS = {
    "a rebound global": ("count", "count = 5"),
    "a new name": ("'fresh' in globals()", "fresh = 1"),
    "a deleted name": ("'numbers' in globals()", "del numbers"),
    "a list seen through aliases": ("[alias, nested['deep'][0]]", "numbers.append(2)"),
    "a nested dict": ("sorted(nested)", "nested['new'] = 1"),
    "a default argument": ("default()", "default().append(2)"),
    "a closure": ("closure()", "closure().append(2)"),
    "a closure's variable": ("seen_steps()", "step()"),
    "an attribute of a function": ("[step.calls, hasattr(step, 'fresh')]", "step.calls += 1; step.fresh = 1"),
    "a new attribute of a function": ("hasattr(default, 'fresh')", "default.fresh = 1"),
    "a cached result": ("cached()", "count = 7; cached()"),
    "a mutable cached result": ("remembered('key')", "remembered('key').append(1)"),
    "what an object does at its end": ("'told' in globals()", "tells = Tells()"),
    "the place of the working directory": (
        "[os.path.isdir(os.getcwd()), os.path.islink(os.getcwd()), open('kept.txt').read()]",
        "os.rename(os.getcwd(), os.getcwd() + str(time.time_ns()))",
    ),
    "the working directory": ("os.path.basename(os.getcwd())", "os.chdir('/')"),
    "a file written": ("os.path.exists('made.txt')", "open('made.txt', 'w').write('x')"),
    "a file overwritten in place": ("open('kept.txt').read()", "open('kept.txt', 'r+').write('X')"),
    "the environment": ("os.environ.get('LEAK')", "os.environ['LEAK'] = '1'"),
    "random's state": ("random.getstate()[1][-1] == start_random", "random.random()"),
    "numpy's state": ("int(np.random.get_state()[2]) == start_numpy", "np.random.normal()"),
    "warning filters": ("len(warnings.filters)", "warnings.simplefilter('ignore')"),
    "the locale": ("locale.setlocale(locale.LC_ALL)", "locale.setlocale(locale.LC_ALL, 'C')"),
    "the umask": ("oct(os.umask(os.umask(0)))", "os.umask(0o077)"),
    "a signal handler": ("signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL", "signal.signal(10, signal.SIG_IGN)"),
    "sys.path": ("'/leak' in sys.path", "sys.path.append('/leak')"),
    "numpy's error settings": ("np.geterr()['divide']", "np.seterr(divide='ignore')"),
    "standard output": ("type(sys.stdout).__name__", "sys.stdout = open(os.devnull, 'w')"),
    "an attribute of an object": ("box.items", "box.items.append(2)"),
    "an array changed in place": ("array.tolist()", "array[0] = 1"),
    "a large container": ("len(large)", "large.append(1)"),
    "a module's attribute": ("getattr(os, 'leak', None)", "os.leak = 1"),
    "an open file kept by a module": ("hasattr(types, 'leak')", "types.leak = open('kept.txt')"),
    "a background thread": (
        "threading.active_count()",
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    ),
}  # fmt: skip

OBJECTS = {"an attribute of an object", "an array changed in place", "a large container"}
PROCESS_WIDE = {"a module's attribute", "an open file kept by a module", "a background thread"}
NOT_UNDONE = {"namespace": OBJECTS | PROCESS_WIDE, "reload": PROCESS_WIDE, "process": set()}


@pytest.fixture(scope="module")
def snapshot(api: Api) -> str:
    return api.snapshot(SESSION)


@pytest.fixture(scope="module")
def services(api: Api, snapshot: str) -> dict[str, str]:
    """One service per isolation: it looks at every leak, or causes the one that its input names."""
    looks = ", ".join(f"{what!r}: repr({look})" for what, (look, _) in LEAKS.items())
    changes = "\n".join(f"if leak == {what!r}:\n    {change}" for what, (_, change) in LEAKS.items())
    code = f"seen = str({{{looks}}}[look]) if look else ''\n{changes}\n"
    init = "start_random = random.getstate()[1][-1]; start_numpy = int(np.random.get_state()[2])"
    return {
        isolation: api.publish(
            f"Isolation-{isolation}",
            code,
            snapshotId=snapshot,
            initCode=init,
            isolation=isolation,
            inputParameterDefinitions=definitions(look="character", leak="character"),
            outputParameterDefinitions=definitions(seen="character"),
        )
        for isolation in NOT_UNDONE
    }


@pytest.mark.parametrize("isolation", NOT_UNDONE)
@pytest.mark.parametrize("what", LEAKS)
def test_leaks(api: Api, services: dict[str, str], isolation: str, what: str) -> None:
    path = services[isolation]
    # Version by version a fresh pool: what isn't undone must not be seen by the next test.
    api.ok("PATCH", f"/services/Isolation-{isolation}/V1.0", json={"initCode": f"{_init(what)}"})
    before = api.consume(path, look=what, leak="")
    assert before["success"], before["errorMessage"]
    seen = set()
    for _ in range(8):
        changed = api.consume(path, look="", leak=what)
        assert changed["success"], changed["errorMessage"]
        seen.add(api.consume(path, look=what, leak="")["outputParameters"]["seen"])
    undone = seen == {before["outputParameters"]["seen"]}
    assert undone == (what not in NOT_UNDONE[isolation])


def _init(what: str) -> str:
    return f"start_random = random.getstate()[1][-1]; start_numpy = int(np.random.get_state()[2])  # {what}"


def test_nothing_is_emptied_that_a_call_puts_in_the_directorys_place(api: Api, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    code = f"""
import os, shutil
where = os.getcwd()
assert os.path.basename(where) == "work"
shutil.rmtree(where); os.symlink({str(tmp_path)!r}, where)
y = 1
"""
    for isolation in NOT_UNDONE:
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


@pytest.mark.parametrize("isolation", NOT_UNDONE)
def test_random_numbers_are_the_snapshots(api: Api, isolation: str) -> None:
    session = api.session()
    api.execute(session, "import random, numpy as np\nrandom.seed(7); np.random.seed(7)")
    drawn = "[random.random(), float(np.random.random())]"
    made = api.ok("POST", f"/sessions/{session}/snapshot", 201, json={})["snapshotId"]
    expected = api.execute(session, f"x = {drawn}", outputs=["x"])["outputParameters"][0]["value"]
    members = {"snapshotId": made, "isolation": isolation, "outputParameterDefinitions": definitions(x="vector")}
    path = api.publish(f"Seeded-{isolation}", f"x = {drawn}", **members)
    assert [api.consume(path)["outputParameters"]["x"] for _ in range(4)] == [expected] * 4


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
    for isolation in NOT_UNDONE:
        body = {"code": "x = 1", "initCode": "1 / 0", "isolation": isolation}
        assert "ZeroDivisionError" in api.error("POST", "/services/BadInit/V1.0", 400, json=body)["message"]
