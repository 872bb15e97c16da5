"""Classes of attrs that cells define come back: their methods are compiled with a copy of the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.computenode.forks import Forks

# how the class is made -> (the cells; what holds before and after). A lock lies in what the methods have a copy of.
CLASSES = {
    "define": (
        "@attr.define\nclass P:\n    x: int\n    y: list = attr.field(factory=list)\np = P(1)",
        "p == P(1) and p != P(2) and repr(p) == 'P(x=1, y=[])' and P(3).y == [] and not hasattr(p, '__dict__')",
    ),
    "auto_attribs": (
        "@attr.s(auto_attribs=True, order=True)\nclass P:\n    x: int = 5\np = P()",
        "p == P(5) and P(1) < P(2) and attr.asdict(p) == {'x': 5} and repr(p) == 'P(x=5)'",
    ),
    "frozen": (
        "import attrs\n@attrs.frozen\nclass P:\n    x: int\np = P(1); d = {p: 1}",
        "assert d[P(1)] == 1 and attrs.evolve(p, x=2).x == 2\n"
        "try: p.x = 5\nexcept attrs.exceptions.FrozenInstanceError: pass\nelse: assert False",
    ),
    "without init": (
        "@attr.s(init=False)\nclass P:\n    x = attr.ib(default=1)\n    def __init__(self): self.x = 9\np = P()",
        "P().x == 9 and p == P() and attr.fields(P).x.default == 1",
    ),
    "converters, validators and defaults of cells": (
        "n = 2\ndef check(instance, attribute, value):\n    if value > limit: raise ValueError(value)\n"
        "limit = 10\n@attr.define\nclass P:\n    x: int = attr.field(converter=lambda v: v * n, validator=check)\n"
        "    y: int = attr.field()\n    @y.default\n    def _y(self): return self.x + limit\np = P(1)",
        "assert (p.x, p.y) == (2, 12)\nn = 3\nassert P(2).x == 6\n"
        "try: P(9)\nexcept ValueError: pass\nelse: assert False",
    ),
    "one derived from another": (
        "@attr.define\nclass A:\n    x: int\n@attr.define\nclass P(A):\n    y: int = 2\n"
        "    def total(self): return super().__eq__(self) is not None and self.x + self.y\np = P(1)",
        "p.total() == 3 and p == P(1, 2) and isinstance(p, A)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", CLASSES)
def test_classes_of_attrs(forks: Forks, tmp_path: Path, how: str) -> None:
    code, check = CLASSES[how]
    not_kept = forks.save(tmp_path, f"import attr, threading\nguard = threading.Lock()\n{code}", check)
    assert [item.name for item in not_kept] == ["guard"]
    forks.load(tmp_path, check)


def test_functions_of_one_dict_still_share_it(forks: Forks, tmp_path: Path) -> None:
    code = (
        "own = {'__name__': '__main__', 'n': 1}\n"
        "exec('def get(): return n\\ndef put(v):\\n    global n\\n    n = v', own)\nget, put = own['get'], own['put']\n"
        "copy = dict(globals())\n"
        "exec('def add():\\n    global m\\n    m = m + 1\\ndef told(): return m\\nm = 1', copy)\n"
        "add, told = copy['add'], copy['told']; del copy"
    )
    check = "put(5)\nassert get() == 5 and own['n'] == 5 and get.__globals__ is own\nadd()\nassert told() == 2"
    assert forks.save(tmp_path, code, check) == []
    forks.load(tmp_path, check)
