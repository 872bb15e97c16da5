"""Classes are put back to what they were, and a class that nobody has changed is known by its version."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_deployr.computenode import class_attributes
from jupyter_deployr.computenode.class_attributes import ClassAttributes


class Base:
    pass


class Other:
    pass


class Strict(type):
    def __setattr__(cls, name: str, value: Any) -> None:
        raise AttributeError("a class of this kind can't be changed")


def _kinds() -> list[type]:
    class Plain(Base):
        limit = 1

        def method(self) -> int:
            return self.limit

    class Slotted(Base):
        __slots__ = ("limit",)

        def method(self) -> int:
            return 1

    class Abstract(Base, abc.ABC):
        limit = 1

        @abc.abstractmethod
        def method(self) -> int: ...

    class Guarded(Base, metaclass=Strict):
        limit = 1

        def method(self) -> int:
            return 1

    class Colour(enum.Enum):
        limit = 1

        def method(self) -> int:
            return 1

    return [Plain, Slotted, Abstract, Guarded, Colour]


CHANGES: dict[str, Callable[[Any], object]] = {
    "bound anew": lambda kind: type.__setattr__(kind, "limit", 2),
    "bound to an equal object": lambda kind: type.__setattr__(kind, "limit", 1.0),
    "new": lambda kind: type.__setattr__(kind, "fresh", 1),
    "deleted": lambda kind: type.__delattr__(kind, "limit"),
    "a method replaced": lambda kind: type.__setattr__(kind, "method", None),
    "annotations": lambda kind: type.__setattr__(kind, "__annotations__", {"x": int}),
    "several": lambda kind: (type.__setattr__(kind, "a", 1), type.__delattr__(kind, "method")),
}


@pytest.mark.parametrize("by_version", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_undone(monkeypatch: pytest.MonkeyPatch, change: str, by_version: bool) -> None:
    if not by_version:
        monkeypatch.setattr(class_attributes, "_version_offset", lambda: None)
    kinds = _kinds()
    remembered = ClassAttributes()
    before = []
    for kind in kinds:
        remembered.add(kind)
        before.append(dict(vars(kind)))
    for _ in range(3):
        for kind in kinds:
            CHANGES[change](kind)
        remembered.restore()
        for kind, members in zip(kinds, before, strict=True):
            assert vars(kind).keys() == members.keys()
            assert all(vars(kind)[name] is member for name, member in members.items())


def test_bases() -> None:
    class Derived(Base):
        pass

    remembered = ClassAttributes()
    remembered.add(Derived)
    Derived.__bases__ = (Other,)
    remembered.restore()
    assert Derived.__bases__ == (Base,)


def test_a_change_before_the_first_look_at_the_class_is_undone() -> None:
    kind = type("Fresh", (), {"limit": 1})
    remembered = ClassAttributes()
    remembered.add(kind)
    kind.limit = 2  # type: ignore[attr-defined]
    remembered.restore()
    assert vars(kind)["limit"] == 1


def test_versions_are_found_where_this_interpreter_has_them() -> None:
    """Else each call would compare all attributes of all classes, at thirty times the cost."""
    assert class_attributes._version_offset() is not None
