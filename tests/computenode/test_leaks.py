"""What a version's calls may change for good is foreseen by name, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_deployr.computenode.leaks import foreseeable_leaks
from jupyter_deployr.computenode.used_names import used_by

SETUP = """
import collections, datetime, decimal, enum, fractions, functools, pathlib, re, types, typing, uuid, weakref
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
class Box: pass
class Model:
    limit = 1
    box = Box()
    def read(self): return array
class Plain:
    items = [1]
    def method(self, items=()): return items
    @functools.cached_property
    def slow(self): return 1
    @property
    def asked(self): return 1
class Color(enum.Enum): RED = 1
class Point(typing.NamedTuple): x: float
class Name(str): pass
class Own(LinearRegression): pass
class Proxy:
    @property
    def __class__(self): raise RuntimeError("there is nothing behind it now")
class Pretends:
    __class__ = type
proxy, pretends = Proxy(), Pretends()
box, model, name = Box(), Model(), Name("x")
array, large = np.zeros(3), list(range(2000))
clf, own = LinearRegression().fit([[0], [1]], [0, 1]), Own()
counted = iter([1, 2])
inside, deep = [Box()], {"a": ({"b": array},)}
inside_large = {"rows": large}
keyed = {box: 1}
read_array = lambda: array
table = {"f": read_array}
def default(items=array): return items
def closing(held):
    def inner(): return held
    return inner
closure = closing(Box())
part = functools.partial(len, array)
push = inside.append
tagged = lambda: None
tagged.box = box
points = [Point(1.0), Point(2.0)]
held_point = Point(array)
made = types.ModuleType("made"); made.box = box
settings = types.SimpleNamespace(array=array)
factory = collections.defaultdict(functools.partial(list, array))
view = types.MappingProxyType({"a": array})
data = [1, 2.5, "x", b"x", None, True, 3j, range(3), ..., datetime.datetime(2020, 1, 1), decimal.Decimal(1),
        fractions.Fraction(1, 2), uuid.UUID(int=1), pathlib.Path("x"), re.compile("x"), np.float64(1), np.dtype(int),
        Color.RED, len, np, np.add, LinearRegression, list[int], slice(1), object, (1, (2,)), frozenset({1})]
def counting(rows):
    box.count = large[0] = len(rows)
    return rows
def keeping(rows, kept=array): return rows
class Keeps:
    def fit(self, rows, answers=None): return self
    def transform(self, rows):
        large.sort()
        return rows
calls = FunctionTransformer(counting)
keeps = FunctionTransformer(keeping)
calls_deep = make_pipeline(FunctionTransformer(functools.partial(counting)), LinearRegression())
own_inside = make_pipeline(Keeps(), LinearRegression()).fit([[0], [1]], [0, 1])
calling = Box()
calling.hooks = [counting]
class Registers:
    __plugins__ = {"box": box}
    __annotations__ = {"x": int}
lazy = weakref.WeakValueDictionary()
"""

# code of a version -> what is noted
NOTED = {
    "box": ["box (Box)"],
    "array": ["array (ndarray)"],
    "name": ["name (Name)"],
    "proxy": ["proxy (Proxy)"],
    "pretends": ["pretends (Pretends)"],
    "counted": ["counted (list_iterator)"],
    "large": ["large (2,000 elements)"],
    "inside_large": ["inside_large (holds 2,000 elements)"],
    "inside": ["inside (holds Box)"],
    "deep": ["deep (holds ndarray)"],
    "keyed": ["keyed (holds Box)"],
    "table": ["array (ndarray)"],
    "read_array()": ["array (ndarray)"],
    "default": ["default (holds ndarray)"],
    "closure()": ["closure (holds Box)"],
    "part": ["part (holds ndarray)"],
    "push(1)": ["push (holds Box)"],
    "tagged": ["tagged (holds Box)"],
    "held_point": ["held_point (holds ndarray)"],
    "made.box": ["made (holds Box)"],
    "settings": ["settings (holds ndarray)"],
    "factory": ["factory (holds ndarray)"],
    "view": ["view (holds ndarray)"],
    "Model": ["Model (holds Box)", "array (ndarray)"],
    "model.read()": ["array (ndarray)", "model (Model, Box)"],
    "def f(): return [box for _ in range(3)]\nf()": ["box (Box)"],
    "data": [],
    "Plain().method()": [],
    "Color.RED": [],
    "points": [],
    "lazy": [],
    "np.random, datetime.datetime": [],
    "x = 1": [],
    "clf.predict([[1]])": [],
    "[clf.predict([[1]]), clf.score([[1]], [1])]": [],
    "clf.fit([[1]], [1])": ["clf (LinearRegression)"],
    "clf.coef_": ["clf (LinearRegression)"],
    "clf.coef_[0] = 1": ["clf (LinearRegression)"],
    "clf.extra = 1": ["clf (LinearRegression)"],
    "setattr(clf, 'extra', 1)": ["clf (LinearRegression)"],
    "del clf.coef_": ["clf (LinearRegression)"],
    "own.predict([[1]])": ["own (Own)"],
    "calls.transform([[1]])": ["box (Box)", "calls (FunctionTransformer)", "large (2,000 elements)"],
    "keeps.transform([[1]])": ["keeps (holds ndarray)"],
    "calls_deep.score([[1]], [1])": ["box (Box)", "calls_deep (Pipeline)", "large (2,000 elements)"],
    "own_inside.predict([[1]])": ["large (2,000 elements)", "own_inside (holds Keeps)"],
    "calling": ["box (Box)", "calling (Box)", "large (2,000 elements)"],
    "Registers": ["Registers (holds Box)"],
}
FIND_ANY = [
    "globals()['box']",
    "eval('box')",
    "exec('box')",
    "import __main__\n__main__.box",
    "import sys\nsys.modules['__main__'].box",
    "getattr(made, 'b' + 'ox')",
    "vars()['box']",
    "read_array.__globals__['box']",
    "def f(): return globals()\nf()",
]


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(SETUP, made)
    return made


def _notes(code: str, names: dict[str, Any]) -> list[str]:
    return foreseeable_leaks(used_by(compile(code, "code", "exec"), names), names)


def _named(notes: list[str]) -> list[str]:
    listed = [note.rpartition(": ")[2].removesuffix(".") for note in notes]
    return sorted(entry + ")" for text in listed for entry in text.removesuffix(")").split("), "))


@pytest.mark.parametrize("code", NOTED)
def test_what_is_foreseen(names: dict[str, Any], code: str) -> None:
    assert _named(_notes(code, names)) == sorted(NOTED[code])


@pytest.mark.parametrize("code", FIND_ANY)
def test_code_that_can_find_any_name(names: dict[str, Any], code: str) -> None:
    text = " ".join(_notes(code, names))
    assert all(name in text for name in ("array (ndarray)", "box (Box)", "closure (holds Box)", "large (2,000"))


def test_a_module_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = "class Box: pass\n__state__ = Box()\ndef default(): return 1\n"
    (tmp_path / "leaking_helpers.py").write_text(helpers)
    (tmp_path / "leaking_package").mkdir()
    (tmp_path / "leaking_package" / "inside.py").write_text(helpers)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("import leaking_helpers, leaking_package.inside; from leaking_helpers import default", names)
    for name in ("leaking_helpers", "leaking_package", "default"):
        assert _named(_notes(name, names)) == [f"{name} (holds Box)"]


def test_many_are_counted() -> None:
    names: dict[str, Any] = {f"name{number:02}": bytearray() for number in range(25)}
    (note,) = _notes(" + ".join(names), names)
    assert note.endswith("name19 (bytearray) and 5 more.")
    assert "name20" not in note
