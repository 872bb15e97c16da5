"""A call leaves the namespace as it found it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deployr.computenode.namespace import OPAQUE_ABOVE, CallNamespace

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
