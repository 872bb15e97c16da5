"""Random graphs of objects as cells make them, and whether two of them have the same shape."""

from __future__ import annotations

import collections
import functools
import threading
import types
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

CELLS = """
import collections, functools
class Thing: pass
class Tagged(list): pass
def closures(held):
    def get(): return held
    def put(value):
        nonlocal held
        held = value
    return get, put
def default(held):
    def f(held=held, *, also=held): return held
    return f
def own_class(held):
    class Own:
        items = held
        def method(self, items=held): return items
        @staticmethod
        def static(): return held
    return Own
def method(thing): return thing.bound
def bound(self): return self
Thing.bound = bound
"""

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
_KINDS = ("list", "dict", "tuple", "deque", "OrderedDict", "defaultdict", "set", "Thing", "Tagged", "closures",
          "default", "partial", "method")  # fmt: skip
_NAMES = tuple("abcdef")


@dataclass(frozen=True)
class Node:
    """An object to be made: its kind, what is in it (numbers of other nodes, or scalars in a tuple of one)."""

    kind: str
    children: tuple[int | tuple[Any], ...]


@dataclass(frozen=True)
class Graph:
    """Objects, the names of some of them, and those that hold what can't be pickled."""

    nodes: tuple[Node, ...]
    names: dict[str, int]
    spoiled: frozenset[int] = frozenset()


@st.composite
def graphs(draw: st.DrawFn, *, kinds: tuple[str, ...] = _KINDS, spoil: bool = False) -> Graph:
    """Graphs with shared objects and circles."""
    count = draw(st.integers(1, 9))
    child = st.integers(0, count - 1) | st.tuples(_SCALARS)
    nodes = tuple(
        draw(st.builds(Node, st.sampled_from(kinds), st.lists(child, max_size=3).map(tuple))) for _ in range(count)
    )
    names = draw(st.dictionaries(st.sampled_from(_NAMES), st.integers(0, count - 1), min_size=1))
    spoiled = draw(st.frozensets(st.integers(0, count - 1), max_size=2)) if spoil else frozenset()
    return Graph(nodes, names, spoiled)


def build(graph: Graph, workspace: dict[str, Any]) -> list[Any]:
    """Make the objects of a graph in a workspace, where `CELLS` has run, and name them."""
    made: list[Any] = [None] * len(graph.nodes)
    for number, node in enumerate(graph.nodes):
        # What can't be filled later refers to what is already there.
        earlier = [made[child] if isinstance(child, int) and child < number else None for child in node.children]
        made[number] = _empty(node.kind, earlier, workspace)
    for number, node in enumerate(graph.nodes):
        children = [made[child] if isinstance(child, int) else child[0] for child in node.children]
        if number in graph.spoiled:
            children.append(threading.Lock())
        _fill(node.kind, made[number], children)
    workspace.update({name: made[number] for name, number in graph.names.items()})
    return made


def _empty(kind: str, earlier: list[Any], workspace: dict[str, Any]) -> Any:
    first = earlier[0] if earlier else None
    match kind:
        case "list":
            return []
        case "dict":
            return {}
        case "set":
            return set()
        case "tuple":
            return (*earlier, [])
        case "deque":
            return collections.deque()
        case "OrderedDict":
            return collections.OrderedDict()
        case "Counter":
            return collections.Counter()
        case "defaultdict":
            return collections.defaultdict(list)
        case "partial":
            return functools.partial(workspace["closures"], [])
        case "method":
            return workspace["method"](workspace["Thing"]())
        case "closures" | "default" | "own_class":
            return workspace[kind]([first])
        case _:
            return workspace[kind]()


def _fill(kind: str, made: Any, children: list[Any]) -> None:
    match kind:
        case "list" | "deque" | "Tagged":
            made.extend(children)
            if kind == "Tagged":
                made.tag = children
        case "dict" | "OrderedDict" | "Counter" | "defaultdict":
            for key, child in zip("zyxw", children, strict=False):
                made[key] = child
        case "set":
            made.update(child for child in children if isinstance(child, (str, int, float)))
            if len(children) and type(children[-1]).__name__ == "lock":
                made.add(children[-1])
        case "tuple":
            made[-1].extend(children)
        case "Thing":
            vars(made).update(zip("zyxw", children, strict=False))
        case "method":
            vars(made.__self__).update(zip("zyxw", children, strict=False))
        case "partial":
            made.args[0].extend(children)
        case "own_class":
            made.items.extend(children)
        case "closures":
            made[1](children)
        case "default":
            made.__defaults__[0].append(children)
            made.tag = children


def parts(value: Any) -> list[Any] | None:
    """What an object consists of, in order; None when it is a scalar."""
    match value:
        case list() | tuple() | collections.deque():
            return [*value, *vars(value).values()] if hasattr(value, "__dict__") else list(value)
        case dict():
            return [part for pair in value.items() for part in pair] + [getattr(value, "default_factory", None)]
        case set():
            return sorted(map(repr, value))
        case types.FunctionType():
            return [value.__defaults__, value.__kwdefaults__, *(value.__closure__ or ()), vars(value)]
        case types.CellType():
            return [value.cell_contents]
        case types.MethodType():
            return [value.__func__, value.__self__]
        case functools.partial():
            return [value.func, value.args, value.keywords]
        case type():
            return None if value.__module__ == "builtins" else [value.__bases__]
        case _ if type(value).__module__ in ("builtins", "_thread"):
            return None
        case _:
            return [type(value), vars(value)]


def difference(here: Any, there: Any) -> str | None:
    """Where two graphs differ, in a value or in what is the same object; None when they don't."""
    partners: dict[int, Any] = {}
    taken: dict[int, Any] = {}
    todo = [("", here, there)]
    while todo:
        path, one, other = todo.pop()
        if type(one).__qualname__ != type(other).__qualname__:
            return f"{path}: {type(one)} and {type(other)}"
        ours, theirs = parts(one), parts(other)
        if ours is None or theirs is None:
            if one is not other and repr(one) != repr(other):
                return f"{path}: {one!r} and {other!r}"
            continue
        if not ours and isinstance(one, tuple):
            continue
        if id(one) in partners or id(other) in taken:
            if partners.get(id(one)) is not other or taken.get(id(other)) is not one:
                return f"{path}: not the same objects are the same"
            continue
        partners[id(one)], taken[id(other)] = other, one
        if len(ours) != len(theirs):
            return f"{path}: {ours!r} and {theirs!r}"
        todo += [(f"{path}/{number}", *pair) for number, pair in enumerate(zip(ours, theirs, strict=True))]
    return None
