"""Whatever cells build of shared objects comes back with the same objects shared."""

from __future__ import annotations

import tempfile
import types
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings

from jupyter_deployr.computenode.saving import save
from jupyter_deployr.computenode.snapshot import NotKept, Snapshot
from tests.computenode.graphs import CELLS, Graph, Node, build, difference, graphs, parts


def _workspace() -> dict[str, Any]:
    return vars(types.ModuleType("__main__"))


def _built(graph: Graph) -> dict[str, Any]:
    workspace = _workspace()
    exec(compile(CELLS, "cell", "exec", dont_inherit=True), workspace)
    build(graph, workspace)
    return workspace


def _round_trip(workspace: dict[str, Any], names: list[str]) -> tuple[dict[str, Any], list[NotKept]]:
    restored = _workspace()
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "work").mkdir()
        not_kept = save(Path(home) / "snapshot", workspace, names, Path(home) / "work")
        Snapshot(Path(home) / "snapshot").load_into(restored)
    return restored, not_kept


def _functions(workspace: dict[str, Any]) -> list[types.FunctionType]:
    return [value for value in workspace.values() if isinstance(value, types.FunctionType)]


@given(graphs())
@settings(max_examples=100)
@example(Graph((Node("tuple", (0,)),), {"a": 0}))
@example(Graph((Node("closures", (0, 1)), Node("default", (0, 1))), {"a": 0, "b": 1}))
@example(Graph((Node("Thing", (1,)), Node("method", (0,))), {"a": 1, "b": 0}))
def test_what_is_shared_stays_shared(graph: Graph) -> None:
    workspace = _built(graph)
    restored, not_kept = _round_trip(workspace, list(graph.names))
    assert not_kept == []
    assert difference([workspace[name] for name in graph.names], [restored[name] for name in graph.names]) is None
    assert all(function.__globals__ is restored for function in _functions(restored))


@given(graphs(spoil=True))
@settings(max_examples=60)
def test_every_name_that_fails_is_named_and_the_others_keep_their_sharing(graph: Graph) -> None:
    workspace = _built(graph)
    names = list(graph.names)
    spoiled = {name for name in names if _reaches_a_lock(workspace[name])}
    restored, not_kept = _round_trip(workspace, names)
    assert {item.name for item in not_kept} == spoiled
    assert all("lock" in item.reason for item in not_kept)
    kept = [name for name in names if name not in spoiled]
    assert restored.keys() & set(names) == set(kept)
    assert difference([workspace[name] for name in kept], [restored[name] for name in kept]) is None


def _reaches_a_lock(value: Any) -> bool:
    seen: set[int] = set()
    todo = [value]
    while todo:
        current = todo.pop()
        if type(current).__name__ == "lock":
            return True
        if id(current) not in seen:
            seen.add(id(current))
            # What a set holds is told by its text.
            todo += list(current) if isinstance(current, set) else parts(current) or []
    return False
