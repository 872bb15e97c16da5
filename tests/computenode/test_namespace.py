"""A call leaves the namespace as it found it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.computenode.namespace import CallNamespace
from jupyter_deployr.computenode.reach import OPAQUE_ABOVE
from jupyter_deployr.computenode.used_names import used_by

SETUP = """
numbers = [1, 2, 3]
alias = numbers
nested = {"list": numbers, "set": {1, 2}, "pair": ([5], {"deep": [6]})}
def default(items=numbers): return items
def keyword(*, table=nested): return table
def outer():
    captured = [1]
    def inner(): return captured
    return inner
closure = outer()
default.attribute = [1]
count = 0
removed = "here"
import collections
counter = collections.Counter("aab")
ordered = collections.OrderedDict(a=1, b=[2])
default_dict = collections.defaultdict(list, a=[1])
queue = collections.deque([1, 2], maxlen=3)
"""

LOOK = """
seen = repr([counter, list(ordered.items()), default_dict, queue])
seen += repr([numbers, alias, nested, default(), keyword(), closure(), default.attribute, count, removed,
             alias is numbers, nested["list"] is numbers, default() is numbers, keyword() is nested])
"""

CHANGES = [
    "numbers.append(4)",
    "numbers[0] = 'x'",
    "numbers.clear()",
    "numbers.reverse()",
    "numbers = [9]",
    "alias.extend([7, 8])",
    "del removed",
    "count += 1",
    "fresh = 1",
    "nested['new'] = 1",
    "nested['set'].add(3)",
    "nested['set'].discard(1); nested['set'].add(9)",
    "nested['pair'][0].append(1)",
    "nested['pair'][1]['deep'].pop()",
    "del nested['list']",
    "nested.clear(); nested.update(a=1)",
    "default().append('seen by all')",
    "keyword()['x'] = 1",
    "closure().append(2)",
    "default.attribute.append(2)",
    "numbers.append(numbers)",
    "first = nested.pop('list'); nested['list'] = first",
    "globals().clear()",
    "counter['new'] += 1",
    "counter.clear()",
    "ordered.move_to_end('a')",
    "ordered['b'].append(3); ordered['c'] = 1",
    "default_dict['read']",
    "default_dict['a'].append(1)",
    "queue.append(3); queue.append(4)",
    "queue.rotate()",
]


def _namespace(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(code, names)
    return names


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_undone_for_every_alias(change: str) -> None:
    names = _namespace(SETUP)
    namespace = CallNamespace(names)
    exec(LOOK, names)
    before = names["seen"]
    namespace.restore()
    keys = list(names)
    for _ in range(2):
        exec(change, names)
        namespace.restore()
        assert list(names) == keys
        exec(LOOK, names)
        assert names["seen"] == before
        namespace.restore()


def test_a_change_would_be_seen_without_it() -> None:
    names = _namespace(SETUP)
    exec(LOOK, names)
    before = names["seen"]
    exec("default().append('seen by all')", names)
    exec(LOOK, names)
    assert names["seen"] != before


def test_large_containers_are_left_alone() -> None:
    names = {"large": list(range(OPAQUE_ABOVE + 1)), "small": list(range(OPAQUE_ABOVE))}
    namespace = CallNamespace(names)
    names["large"].append(1)
    names["small"].append(1)
    namespace.restore()
    assert (len(names["large"]), len(names["small"])) == (OPAQUE_ABOVE + 2, OPAQUE_ABOVE)


# what is looked at -> how it is changed; with these names made before
LOOKED_INTO = {
    "default()": "default.__defaults__ = (1,)",
    "keyword()": "keyword.__kwdefaults__ = {'table': 1}",
    "default.__code__.co_name": "default.__code__ = keyword.__code__",
    "vars(default)": "default.__dict__ = {}",
    "default_dict.default_factory": "default_dict.default_factory = None",
    "vars(counter)": "counter.tag = 1",
    "vars(ordered)": "ordered.tag = 1",
    "list(view.items())": "gc.get_referents(view)[0]['x'] = 1",
    "settings.numbers": "settings.numbers = 1",
    "vars(settings)": "settings.numbers.append(4); settings.new = 1",
    "list(weak)": "weak['new'] = thing; kept.append(thing)",
    "push.__self__": "push(1)",
    "partial.keywords": "partial.keywords['x'] = 1",
    "vars(partial)": "partial.tag = 1",
    "point.held": "point.held.append(1)",
    "stock(1)": "stock(1).append(2)",
    "full(1)": "full(1).append(2)",
    "full(2)": "full(2).append(3); full(3)",
    "method()": "method().append(1)",
    "Slow.slow.func()": "Slow.slow.func().append(1)",
    "Slow().half()": "Slow().half().append(1)",
    "vars(Slow.made)": "Slow.made.tag = 1",
    "default.__name__": "default.__name__ = 'other'",
    "default.__doc__": "default.__doc__ = 'other'",
    "default.__module__": "default.__module__ = 'other'",
    "keyword.__name__": "functools.update_wrapper(keyword, default)",
    "default.__annotations__": "default.__annotations__['items'] = list",
    "keyword.__annotations__": "keyword.__annotations__ = {'table': dict}",
    "Slow.__name__": "Slow.__name__ = 'other'",
    "Slow.__qualname__": "Slow.__qualname__ = 'other'",
    "point.__class__.__name__": "setattr(Point, '__name__', 'other')",
    "Slow.__subclasses__()": "class Slower(Slow): pass",
    "Slow.__registry__": "Slow.__registry__['new'] = 1",
    "Slow.__annotations__": "Slow.__annotations__['new'] = int",
    "inside.func()": "inside.func().append(1)",
    "executed['count']": "bump()",
    "executed_list": "executed['items'].append(1)",
}
HELD = """
import functools, gc, types, typing, weakref
from sklearn.preprocessing import FunctionTransformer
class Thing: pass
thing, kept = Thing(), []
view = types.MappingProxyType({"a": 1})
settings = types.SimpleNamespace(numbers=[1])
weak = weakref.WeakValueDictionary(first=thing)
push = [].append
partial = functools.partial(max, default=None)
class Point(typing.NamedTuple): held: list
point = Point([1])
@functools.cache
def stock(key): return [key]
@functools.lru_cache(2)
def full(key): return [key]
stock(1), full(1)
class Slow:
    __registry__ = {}
    __annotations__ = {"plain": object}
    def plain(self, items=[1]): return items
    @functools.cached_property
    def slow(self=None, items=[1]): return items
    half = functools.partialmethod(plain)
    @staticmethod
    def made(): return 1
method = Slow().plain
inside = FunctionTransformer(lambda items=[1]: items)
executed = {"items": []}
exec("count = 0\\ndef bump():\\n    global count\\n    count += 1", executed)
bump, executed_list = executed["bump"], executed["items"]
"""


@pytest.mark.parametrize("look", LOOKED_INTO)
def test_what_is_looked_into(look: str) -> None:
    names = _namespace(SETUP + HELD)
    before = repr(eval(look, names))
    change = compile(LOOKED_INTO[look], "change", "exec")
    used = used_by(change, names)
    used.attributes |= used_by(compile(look, "look", "eval"), names).attributes
    namespace = CallNamespace(names, used)
    for _ in range(2):
        exec(change, names)
        assert repr(eval(look, names)) != before
        namespace.restore()
        assert repr(eval(look, names)) == before


@pytest.mark.parametrize("begins", ["", "scoring = None"])
@pytest.mark.parametrize("session", ["import {0}", "from {0} import known", "import {0}.known"])
def test_submodules_that_a_call_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: str, begins: str
) -> None:
    package = f"local{secrets.token_hex(8)}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(f"{begins}\ndef known(): return 1\n")
    (tmp_path / package / "known.py").touch()
    (tmp_path / package / "scoring.py").write_text("def score(): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names = _namespace(session.format(package))
    namespace = CallNamespace(names)
    for _ in range(3):
        exec(f"import {package}.scoring as scored\nimport {package}\ny = {package}.scoring.score()", names)
        assert names["y"] == 1
        names[package].fresh = 1
        namespace.restore()
        exec(f"import {package}", names)
        assert not hasattr(names[package], "fresh")
        namespace.restore()


@pytest.mark.parametrize("code", ["import {0}.ops", "from {0} import ops", "import {0}_plugin"])
def test_modules_that_a_call_imports_enter_themselves_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    package = f"local{secrets.token_hex(8)}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("entered = []\n")
    for place in (tmp_path / package / "ops.py", tmp_path / f"{package}_plugin.py"):
        place.write_text(f"import {package}\n{package}.entered.append(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names = _namespace(f"import {package} as package")
    namespace = CallNamespace(names)
    for _ in range(3):
        exec(code.format(package) + "\nimport os\nos.chdir('/')\ny = len(package.entered)", names)
        assert names["y"] == 1
        namespace.restore()
        monkeypatch.chdir(tmp_path)


def test_results_in_stock_stay_there() -> None:
    names = _namespace("import functools\n@functools.cache\ndef loaded(): return [1]\nloaded()")
    namespace = CallNamespace(names)
    first = names["loaded"]()
    exec("loaded().append(2)", names)
    namespace.restore()
    assert names["loaded"]() is first
    assert first == [1]


@pytest.mark.parametrize("cache", ["cache", "lru_cache(2)"])
def test_a_result_that_takes_anothers_place(cache: str) -> None:
    names = _namespace(f"import functools\n@functools.{cache}\ndef loaded(key): return 'same'\nloaded(1)")
    change = compile("loaded.cache_clear(); loaded(2)", "change", "exec")
    namespace = CallNamespace(names, used_by(change, names))
    for _ in range(2):
        namespace.restore()
        exec(change, names)
        namespace.restore()
        assert names["loaded"].cache_info().currsize == 0


def test_modules_of_libraries_are_left_alone() -> None:
    names = _namespace("import json, builtins\nheld = [vars(json), vars(builtins), json.dumps, json.JSONEncoder]")
    namespace = CallNamespace(names)
    try:
        exec("json.leak = builtins.leak = json.dumps.leak = json.JSONEncoder.leak = 1", names)
        namespace.restore()
        assert names["json"].leak == names["json"].dumps.leak == names["json"].JSONEncoder.leak == 1
    finally:
        exec("del json.leak, builtins.leak, json.dumps.leak, json.JSONEncoder.leak", names)


@pytest.mark.parametrize("change", ["numbers.append(Late())", "late = Late()", "nested['late'] = Late()"])
def test_what_objects_do_at_their_end(change: str) -> None:
    late = "class Late:\n    def __del__(self):\n        globals()['told'] = 1\n"
    names = _namespace(SETUP + late)
    namespace = CallNamespace(names)
    keys = list(names)
    exec(change, names)
    namespace.restore()
    assert list(names) == keys


_values = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=20,
)


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(found for item in inner for found in _containers(item))] if isinstance(value, (list, dict)) else []


@given(st.dictionaries(st.sampled_from("abcd"), _values), st.data())
def test_any_structure_comes_back(names: dict[str, Any], data: st.DataObject) -> None:
    namespace = CallNamespace(names)
    before = repr(names)
    identities = [id(container) for container in _containers(names)]
    for container in _containers(names):
        action = data.draw(st.sampled_from(["keep", "clear", "add", "remove"]))
        if action == "clear":
            container.clear()
        elif action == "add" and isinstance(container, list):
            container.insert(0, object())
        elif action == "add":
            container["new"] = object()
        elif action == "remove" and container:
            container.pop(next(iter(container))) if isinstance(container, dict) else container.pop()
    namespace.restore()
    assert repr(names) == before
    assert [id(container) for container in _containers(names)] == identities
