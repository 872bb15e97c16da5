"""The house rules, read from the imports: arrows point down, doors stay doors, and nothing heavy is loaded early.

Each rule is a function from modules to complaints. It is tested twice: the package gives none, and a synthetic
module that breaks the rule gives one.
"""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import jupyter_deployr

PACKAGE = "jupyter_deployr"
ROOT = Path(jupyter_deployr.__file__).parent

# Room → the rooms that it may import. A new room gets a line here.
ARROWS: dict[str, set[str]] = {
    "protocol": set(),
    "client": {"protocol"},
    "computenode": {"protocol"},
    "webnode": {"computenode", "protocol"},
    "magics": {"client", "protocol"},
    "panel": {"client", "protocol"},
    "serverextension": {"client", "protocol"},
    "command": {"protocol"},
    "account_commands": {"command", "protocol"},
    "app": {"account_commands", "command", "protocol"},
    "__main__": {"app"},
    "": set(),
}
# What only a function may import, so that the other commands and doors don't pay for it.
LAZY_ARROWS: dict[str, set[str]] = {
    "account_commands": {"webnode"},
    "app": {"client", "webnode"},
    "": {"magics", "panel", "serverextension"},
}
# Rooms whose insides are nobody's business: others import the names of the package's `__all__` only.
CLOSED_ROOMS = {"computenode"}

HEAVY = [
    "numpy",
    "pandas",
    "pydantic",
    "requests",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "jwt",
    "argon2",
    "cloudpickle",
    "dill",
    "orjson",
    "psutil",
    "sklearn",
    "tqdm",
    "ipykernel",
    "jupyter_server",
]


@dataclass(frozen=True)
class Import:
    """One name that a module imports from this package, as `from origin import name` or `import origin`."""

    origin: str
    name: str | None
    line: int
    lazy: bool
    """Inside a function."""
    typing_only: bool
    """Under `if TYPE_CHECKING:`."""


@dataclass(frozen=True)
class Module:
    """A module's dotted name and syntax tree."""

    name: str
    tree: ast.Module
    is_package: bool

    @property
    def room(self) -> str:
        return room_of(self.name)

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def exported(self) -> set[str] | None:
        """The names of `__all__`, or None."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and is_all(node.targets[0]):
                return set(ast.literal_eval(node.value))
        return None

    def imports(self) -> Iterator[Import]:
        """The imports of this package's own modules, wherever they stand."""
        yield from self._imports(self.tree, lazy=False, typing_only=False)

    def _imports(self, node: ast.AST, *, lazy: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            in_function = lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for_types = typing_only or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            for origin, name in self._named(child):
                if origin == PACKAGE or origin.startswith(PACKAGE + "."):
                    yield Import(origin, name, getattr(child, "lineno", 0), in_function, for_types)
            yield from self._imports(child, lazy=in_function, typing_only=for_types)

    def _named(self, node: ast.AST) -> Iterator[tuple[str, str | None]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield self._origin(node), alias.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from ((str(arg.value), None) for arg in node.args[:1] if isinstance(arg, ast.Constant))

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def room_of(name: str) -> str:
    """The room of a dotted name: the part after the package's, or "" for the package's own door."""
    return name.split(".")[1] if "." in name else ""


def is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "__all__"


Modules = dict[str, Module]


def parsed(sources: dict[str, str]) -> Modules:
    """Modules from their sources; the name of a package ends with `.__init__`."""
    modules = {}
    for key, source in sources.items():
        name = key.removesuffix(".__init__")
        modules[name] = Module(name, ast.parse(source), is_package=name != key)
    return modules


@pytest.fixture(scope="module")
def house() -> Modules:
    sources = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return parsed(sources)


# -------------------------------------------------------------------------------------------------------------- rules


def target(found: Import, modules: Modules) -> str:
    """The module that an import loads: `from package import name` may mean the package's module of that name."""
    if found.name is not None and f"{found.origin}.{found.name}" in modules:
        return f"{found.origin}.{found.name}"
    return found.origin


def arrows_up(modules: Modules) -> Iterator[str]:
    """Arrows point down only, in functions and for type checkers as well. Anyone may ask the door for the version."""
    for module in modules.values():
        if module.room not in ARROWS:
            yield f"{module.name} is in no room of the table"
            continue
        for found in module.imports():
            room = room_of(target(found, modules))
            if room == module.room or (found.origin == PACKAGE and found.name == "__version__"):
                continue
            if room in ARROWS[module.room]:
                continue
            if found.lazy and room in LAZY_ARROWS.get(module.room, ()):
                continue
            yield f"{module.name}:{found.line} imports {target(found, modules)}"


def windows_climbed(modules: Modules) -> Iterator[str]:
    """Closed rooms are entered by their door: `from room import name`, of a name in its `__all__`."""
    for module in modules.values():
        for found in module.imports():
            room = room_of(found.origin) or found.name
            if room not in CLOSED_ROOMS or room == module.room:
                continue
            door = modules.get(f"{PACKAGE}.{room}")
            exported = door.exported if door else None
            if found.origin != f"{PACKAGE}.{room}" or found.name not in (exported or ()):
                yield f"{module.name}:{found.line} reaches past {PACKAGE}.{room} for {found.name or found.origin}"


def circles(modules: Modules) -> Iterator[str]:
    """No module needs itself to be imported."""
    graph = {
        module.name: {target(found, modules) for found in module.imports() if not found.lazy and not found.typing_only}
        for module in modules.values()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as circle:
        yield " → ".join(reversed(circle.args[1]))


def doors_with_furniture(modules: Modules) -> Iterator[str]:
    """Packages only re-export, with `__all__`; the top one is the door that IPython and Jupyter knock at."""
    for module in modules.values():
        if not module.is_package or not module.room:
            continue
        names = set()
        for node in module.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
                    names |= {alias.asname or alias.name for alias in node.names}
            elif not (is_docstring(node) or (isinstance(node, ast.Assign) and is_all(node.targets[0]))):
                yield f"{module.name}:{node.lineno} does more than re-export"
        if names and module.exported is None:
            yield f"{module.name} has no __all__"
        elif names != (module.exported or set()):
            yield f"{module.name}: __all__ and the imports differ in {names ^ (module.exported or set())}"


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def undescribed(modules: Modules) -> Iterator[str]:
    """Every public module says what it holds."""
    for module in modules.values():
        if module.is_public and not ast.get_docstring(module.tree):
            yield f"{module.name} has no docstring"


RULES: list[Callable[[Modules], Iterator[str]]] = [
    arrows_up,
    windows_climbed,
    circles,
    doors_with_furniture,
    undescribed,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Any, house: Any) -> None:
    assert list(rule(house)) == []


def test_the_house_is_read(house: Any) -> None:
    assert {f"{PACKAGE}.protocol.models", f"{PACKAGE}.protocol", PACKAGE} <= set(house)
    assert house[f"{PACKAGE}.protocol"].is_package
    imported = {found.origin for found in house[f"{PACKAGE}.protocol.parameters"].imports()}
    assert f"{PACKAGE}.protocol.errors" in imported


# ------------------------------------------------------------------------------------------------------ can they fail

DOOR = {"jupyter_deployr.computenode.__init__": "from jupyter_deployr.computenode.node import Node\n__all__ = ['Node']"}
NODE = {"jupyter_deployr.computenode.node": "class Node: ..."}

OFFENCES = {
    "protocol imports a room": (arrows_up, {"protocol.x": "import jupyter_deployr.client"}),
    "client imports webnode": (arrows_up, {"client.x": "from jupyter_deployr.webnode import serve"}),
    "client imports computenode": (arrows_up, {"client.x": "from jupyter_deployr import computenode", **DOOR, **NODE}),
    "computenode imports webnode": (arrows_up, {"computenode.x": "import jupyter_deployr.webnode.auth as auth"}),
    "computenode imports client": (arrows_up, {"computenode.x": "from jupyter_deployr.client import DeployRClient"}),
    "webnode imports client": (arrows_up, {"webnode.x": "from jupyter_deployr.client import DeployRClient"}),
    "magics import webnode": (arrows_up, {"magics.x": "import jupyter_deployr.webnode"}),
    "panel imports magics": (arrows_up, {"panel.x": "import jupyter_deployr.magics"}),
    "serverextension imports computenode": (arrows_up, {"serverextension.x": "import jupyter_deployr.computenode"}),
    "in a function": (arrows_up, {"client.x": "def f():\n  from jupyter_deployr.webnode import serve"}),
    "in an async method": (arrows_up, {"client.x": "class A:\n  async def f(s):\n    import jupyter_deployr.webnode"}),
    "for the type checker": (arrows_up, {"client.x": "if TYPE_CHECKING:\n  import jupyter_deployr.webnode"}),
    "for typing's type checker": (arrows_up, {"client.x": "if t.TYPE_CHECKING:\n  import jupyter_deployr.webnode"}),
    "in a try": (arrows_up, {"client.x": "try:\n  import jupyter_deployr.webnode\nexcept ImportError: ..."}),
    "relative": (arrows_up, {"client.x": "from ..webnode import serve"}),
    "relative, from a package": (arrows_up, {"client.__init__": "from ..webnode import serve"}),
    "relative, deeper": (arrows_up, {"client.a.x": "from ...webnode.auth import tokens"}),
    "by name": (arrows_up, {"client.x": "importlib.import_module('jupyter_deployr.webnode')"}),
    "app imports webnode at once": (arrows_up, {"app": "from jupyter_deployr.webnode import run"}),
    "app imports computenode": (arrows_up, {"app": "def f():\n  import jupyter_deployr.computenode"}),
    "the top door imports magics at once": (arrows_up, {"__init__": "from jupyter_deployr.magics import register"}),
    "a room imports the top door": (arrows_up, {"client.x": "from jupyter_deployr import load_ipython_extension"}),
    "a new room": (arrows_up, {"attic.x": ""}),
    "a module beside the rooms": (arrows_up, {"utils": ""}),
    "past the door": (
        windows_climbed,
        {"webnode.x": "from jupyter_deployr.computenode.node import Node", **DOOR, **NODE},
    ),
    "past the door by import": (
        windows_climbed,
        {"webnode.x": "import jupyter_deployr.computenode.node", **DOOR, **NODE},
    ),
    "a module through the door": (
        windows_climbed,
        {"webnode.x": "from jupyter_deployr.computenode import node", **DOOR},
    ),
    "the whole door": (windows_climbed, {"webnode.x": "from jupyter_deployr import computenode", **DOOR, **NODE}),
    "what the door doesn't offer": (
        windows_climbed,
        {"webnode.x": "from jupyter_deployr.computenode import X", **DOOR},
    ),
    "past the door in a function": (
        windows_climbed,
        {"webnode.x": "def f():\n  from jupyter_deployr.computenode.node import Node", **DOOR, **NODE},
    ),
    "two in a circle": (
        circles,
        {"client.a": "from jupyter_deployr.client.b import B", "client.b": "from jupyter_deployr.client import a"},
    ),
    "a module of its own package": (
        circles,
        {
            "client.__init__": "from jupyter_deployr.client.a import A\n__all__ = ['A']",
            "client.a": "from jupyter_deployr.client import B",
        },
    ),
    "code in a door": (doors_with_furniture, {"client.__init__": "'''Doc.'''\nLIMIT = 3"}),
    "a function in a door": (doors_with_furniture, {"client.a.__init__": "def f(): ..."}),
    "no __all__": (doors_with_furniture, {"client.__init__": "from jupyter_deployr.client.a import A"}),
    "a wrong __all__": (
        doors_with_furniture,
        {"client.__init__": "from jupyter_deployr.client.a import A, B\n__all__ = ['A']"},
    ),
    "no docstring": (undescribed, {"client.a": "A = 1\n'''Doc of A.'''"}),
    "no docstring in a package": (undescribed, {"client.__init__": "from x import A\n__all__ = ['A']"}),
}


def in_package(sources: dict[str, str]) -> Modules:
    return parsed({key if key.startswith(PACKAGE) else f"{PACKAGE}.{key}": text for key, text in sources.items()})


@pytest.mark.parametrize(("rule", "sources"), OFFENCES.values(), ids=OFFENCES)
def test_an_offence_is_seen(rule: Any, sources: Any) -> None:
    assert len(list(rule(in_package(sources)))) == 1


INNOCENT = {
    "down": {
        "client.x": "from jupyter_deployr.protocol import models\nfrom jupyter_deployr.protocol.errors import Gone"
    },
    "the version": {"client.x": "from jupyter_deployr import __version__"},
    "through the door": {"webnode.x": "from jupyter_deployr.computenode import Node", **DOOR, **NODE},
    "inside a closed room": {"computenode.x": "from jupyter_deployr.computenode.node import Node", **DOOR, **NODE},
    "app, lazily": {"app": "def f():\n  from jupyter_deployr.webnode import run\n  import jupyter_deployr.client"},
    "the top door, lazily": {"__init__": "X = 1\ndef f():\n  from jupyter_deployr.magics import register"},
    "a circle for the type checker": {
        "client.a": "from jupyter_deployr.client.b import B",
        "client.b": "if TYPE_CHECKING:\n  from jupyter_deployr.client.a import A",
    },
    "an empty door": {"client.__init__": "'''Doc.'''"},
    "others": {"client.x": "import json, os.path\nfrom requests import Session\nfrom jupyter_deployr_extras import x"},
}


@pytest.mark.parametrize("sources", INNOCENT.values(), ids=INNOCENT)
def test_innocent_modules_pass(sources: Any) -> None:
    modules = in_package(sources)
    found = [complaint for rule in RULES if rule is not undescribed for complaint in rule(modules)]
    assert found == []


# --------------------------------------------------------------------------------------------------------- light doors

LOADING = """
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
settings = Config()
settings.HistoryManager.enabled = False
shell = InteractiveShell(config=settings)
shell.run_line_magic("load_ext", "jupyter_deployr")
assert shell.find_magic("publish", "cell"), "the magics are not there"
"""


def heavy_modules_after(code: str, home: Path) -> set[str]:
    """The modules of HEAVY that a fresh interpreter has loaded after `code`."""
    report = f"{code}\nimport sys\nprint('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    environment = {**os.environ, "HOME": str(home), "IPYTHONDIR": str(home), "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(
        [sys.executable, "-c", report],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("code", ["import jupyter_deployr", LOADING], ids=["the package", "the magics"])
def test_nothing_heavy_is_imported_before_it_is_used(code: Any, tmp_path: Any) -> None:
    assert heavy_modules_after(code, tmp_path) == set()


def test_a_heavy_import_is_seen(tmp_path: Any) -> None:
    assert heavy_modules_after("import jupyter_deployr.protocol.strict_json", tmp_path) >= {"numpy", "orjson"}


def test_the_names_of_heavy_modules_are_right() -> None:
    missing = [name for name in HEAVY if not __import__("importlib.util").util.find_spec(name)]
    assert missing == []
