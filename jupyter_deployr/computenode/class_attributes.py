"""The attributes of classes, put back after each call."""

from __future__ import annotations

import ctypes
import functools
import gc

# Past a metaclass that has its own.
_NAMES = vars(type)["__name__"], vars(type)["__qualname__"]


class ClassAttributes:
    """Remembers the attributes and bases of classes; a class that no call has touched costs some 50 ns to look at."""

    def __init__(self, *, renamed: bool = True, subclasses: bool = True) -> None:
        """Whether calls may give a class another name, and whether they may look at its subclasses: neither changes
        its version."""
        self._renamed, self._subclasses = renamed, subclasses
        self._classes: list[_Remembered] = []
        # What changes with every change to a class, and what it was; apart from the rest, since every call reads it.
        self._versions: list[tuple[ctypes.c_uint32, int]] = []

    def add(self, kind: type) -> None:
        """Remember a class as it is now."""
        self._classes.append(_Remembered(kind))
        self._versions.append(_version(kind))

    def restore(self) -> None:
        """Put back the classes that were changed."""
        for number, (version, before) in enumerate(self._versions):
            if version.value != before or not before:
                self._classes[number].restore()
                self._versions[number] = _version(self._classes[number].kind)
        if self._renamed:
            for remembered in self._classes:
                remembered.restore_names()
        if self._subclasses and any(remembered.has_more_subclasses() for remembered in self._classes):
            # A class lies in a circle with itself, so that it is there until these are looked for.
            gc.collect()


class _Remembered:
    def __init__(self, kind: type) -> None:
        self.kind = kind
        self._members = dict(vars(kind))
        self._bases = kind.__bases__
        self._names = [name.__get__(kind) for name in _NAMES]
        self._subclasses = len(type.__subclasses__(kind))

    def restore(self) -> None:
        kind = self.kind
        # A metaclass may forbid what is done here, as that of enumerations does.
        for name in vars(kind).keys() - self._members.keys():
            type.__delattr__(kind, name)
        now = vars(kind)
        for name, member in self._members.items():
            if now.get(name, self) is not member:
                type.__setattr__(kind, name, member)
        if kind.__bases__ != self._bases:
            kind.__bases__ = self._bases

    def restore_names(self) -> None:
        for name, before in zip(_NAMES, self._names, strict=True):
            if name.__get__(self.kind) != before:
                name.__set__(self.kind, before)

    def has_more_subclasses(self) -> bool:
        return len(type.__subclasses__(self.kind)) > self._subclasses


def _version(kind: type) -> tuple[ctypes.c_uint32, int]:
    """Where the version of a class lies in memory, and its value now; 0 where there is none to rely on."""
    offset = _version_offset()
    if offset is None:
        return ctypes.c_uint32(0), 0
    # The first look at an attribute after a change gives the class a version again.
    type.__getattribute__(kind, "mro")
    version = ctypes.c_uint32.from_address(id(kind) + offset)
    return version, version.value


@functools.cache
def _version_offset() -> int | None:
    """Where classes keep the version that the interpreter's own caches go by: no Python code can ask for it.

    It is found by trying: it becomes 0 with each change, and another number with the next look at an attribute.
    """

    class Probe:
        pass

    def changed(offset: int) -> bool:
        type.__getattribute__(Probe, "mro")
        version = ctypes.c_uint32.from_address(id(Probe) + offset)
        before = version.value
        Probe.mark = None  # type: ignore[attr-defined]
        between = version.value
        type.__getattribute__(Probe, "mro")
        return before != 0 and between == 0 and version.value not in (0, before)

    size = vars(type)["__basicsize__"].__get__(type)
    found = [offset for offset in range(0, size, 4) if changed(offset) and changed(offset)]
    return found[0] if len(found) == 1 else None
