"""Whatever a call does to shared, nested containers is undone: the same objects, holding the same objects, in order."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_deployr.computenode.namespace import CallNamespace
from tests.computenode.graphs import CELLS, Graph, Node, build, graphs, parts

_KINDS = ("list", "dict", "set", "tuple", "deque", "Counter", "OrderedDict", "defaultdict", "closures", "default",
          "partial", "own_class")  # fmt: skip


def _first(container: Any) -> Any:
    return next(iter(container))


# kind of container -> what a call may do to it, given any other object
_SEQUENCE: list[Callable[[Any, Any], object]] = [
    lambda s, other: s.append(other),
    lambda s, other: s.insert(0, other),
    lambda s, other: s.clear(),
    lambda s, other: s.reverse(),
    lambda s, other: s.pop(),
    lambda s, other: s.__setitem__(-1, other),
    lambda s, other: s.extend([other, [other]]),
]
_MAPPING: list[Callable[[Any, Any], object]] = [
    lambda m, other: m.__setitem__("new", other),
    lambda m, other: m.__setitem__(_first(m), other),
    lambda m, other: m.__setitem__(_first(m), m.pop(_first(m))),
    lambda m, other: m.clear(),
    lambda m, other: m.popitem(),
    lambda m, other: dict.update(m, z=other, y=None),  # a Counter would add them to what it has
    lambda m, other: m["missing"],
]
_SET: list[Callable[[Any, Any], object]] = [
    lambda s, other: s.add("new"),
    lambda s, other: s.clear(),
    lambda s, other: s.pop(),
    lambda s, other: (s.discard(1), s.add(True)),
    lambda s, other: s.update({1, 1.5, "x"}),
]
_FUNCTION: list[Callable[[Any, Any], object]] = [
    lambda f, other: (f.__defaults__ or f.__closure__[0].cell_contents)[0].append(other),
    lambda f, other: f.tag.append(other),
    lambda f, other: setattr(f.__closure__[0], "cell_contents", other),
    lambda f, other: setattr(f, "__defaults__", (other,)),
    lambda f, other: setattr(f, "__kwdefaults__", {"also": other}),
    lambda f, other: setattr(f, "__code__", _returning_nothing.__code__),
    lambda f, other: setattr(f, "__dict__", {"tag": other}),
]
_PARTIAL: list[Callable[[Any, Any], object]] = [
    lambda p, other: p.args[0].append(other),
    lambda p, other: p.keywords.update(new=other),
    lambda p, other: setattr(p, "tag", other),
]
_CLASS: list[Callable[[Any, Any], object]] = [
    lambda c, other: c.items.append(other),
    lambda c, other: setattr(c, "items", other),
    lambda c, other: setattr(c, "fresh", other),
    lambda c, other: delattr(c, "method"),
    lambda c, other: delattr(c, "items"),
    lambda c, other: setattr(c, "static", other),
    lambda c, other: c.method.__defaults__[0].append(other),
    lambda c, other: c.static().append(other),
    lambda c, other: setattr(c.method, "tag", other),
]


def _returning_nothing(held: Any = None, *, also: Any = None) -> None:
    return None


def _change(made: Any, action: int, other: Any) -> None:
    target = made[0 if action % 2 else 1] if isinstance(made, tuple) and made and callable(made[0]) else made
    target = target[-1] if isinstance(target, tuple) else target
    match target:
        case dict():
            changes = _MAPPING
        case set():
            changes = _SET
        case types.FunctionType():
            changes = _FUNCTION
        case functools.partial():
            changes = _PARTIAL
        case type():
            changes = _CLASS
        case _:
            changes = _SEQUENCE
    try:
        changes[action % len(changes)](target, other)
    except (IndexError, KeyError, StopIteration, TypeError, ValueError, AttributeError):
        # Nothing to take from, or no such part: a call that fails there leaves what it did before.
        return


def _consists(value: Any) -> list[Any] | None:
    match value:
        case type() if value.__module__ == "__main__" and value.__name__ == "Own":
            return [part for pair in sorted(vars(value).items()) for part in pair]
        case functools.partial():
            return [value.args, value.keywords, vars(value)]
        case staticmethod():
            return [value.__func__]
        case types.FunctionType():
            return [value.__code__, *(parts(value) or ())]
        case _:
            return parts(value)


def _state(names: dict[str, Any]) -> list[Any]:
    """Each object that the names reach, with what it consists of, by identity; sets by what they hold."""
    seen: dict[int, Any] = {}
    state: list[Any] = [list(names.items())]
    todo = list(names.values())
    while todo:
        value = todo.pop()
        consists = _consists(value)
        if id(value) in seen or consists is None:
            continue
        seen[id(value)] = value
        if isinstance(value, set):
            state.append((id(value), sorted(map(repr, value))))
        else:
            state.append((id(value), list(map(id, consists))))
            todo += consists
    return state


_ACTIONS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)), max_size=12)
_NAMES = st.sampled_from("abcdefg")


@given(graphs(kinds=_KINDS), st.lists(st.tuples(_ACTIONS, st.dictionaries(_NAMES, st.integers(0, 20))), max_size=3))
@settings(max_examples=150)
@example(Graph((Node("closures", ()), Node("list", (0,))), {"a": 0}), [([(0, 2, 1)], {})])
def test_any_changes_to_any_structure_are_undone(graph: Graph, calls: list[tuple[Any, dict[str, int]]]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELLS, "cell", "exec", dont_inherit=True), names)
    made = build(graph, names)
    namespace = CallNamespace(names)
    watched = {name: names[name] for name in graph.names}
    before, order = _state(watched), list(names)
    for changes, bindings in calls:
        for number, action, other in changes:
            _change(made[number % len(made)], action, made[other % len(made)])
        for name, number in bindings.items():
            names.pop(name, None)
            names[name] = made[number % len(made)]
        namespace.restore()
        assert list(names) == order
        assert all(names[name] is value for name, value in watched.items())
        assert _state(watched) == before
