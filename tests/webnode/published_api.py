"""The published description of Machine Learning Server 9.3.0, read from the table beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "object": object,
}


@dataclass(frozen=True)
class Operation:
    """One operation; `parameters` are (place, name, type, required) without those of the path."""

    method: str
    path: str
    id: str
    status: int
    answer: str
    parameters: tuple[tuple[str, str, str, bool], ...]


def _parameter(written: str) -> tuple[str, str, str, bool]:
    place, _, rest = written.partition(":")
    name, _, kind = rest.partition("=")
    return place, name, kind.removesuffix("?"), not kind.endswith("?")


def _read() -> tuple[dict[str, Operation], dict[str, dict[str, str]]]:
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    _, operations, models = (part.splitlines() for part in text.strip().split("\n\n"))
    found = {}
    for line in operations:
        method, path, identity, status, answer, *parameters = line.split()
        read = tuple(_parameter(parameter) for parameter in parameters)
        found[identity] = Operation(method, path, identity, int(status), answer, read)
    members = {}
    for line in models:
        name, *declared = line.split()
        members[name] = dict(member.split("=") for member in declared)
    return found, members


OPERATIONS, MODELS = _read()


def faults(value: Any, kind: str, where: str = "body") -> list[str]:
    """What in a JSON value is not as the description has it; null may stand for anything but a list's element."""
    if kind.endswith("[]"):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [fault for index, one in enumerate(value) for fault in faults(one, kind[:-2], f"{where}[{index}]")]
    if kind in MODELS:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        missing = [f"{where}: has no {name}" for name in MODELS[kind] if name not in value]
        return missing + [
            fault
            for name, member in MODELS[kind].items()
            if value.get(name) is not None
            for fault in faults(value[name], member, f"{where}.{name}")
        ]
    right = isinstance(value, _KINDS[kind]) and not (kind == "integer" and isinstance(value, bool))
    return [] if right else [f"{where}: {value!r} is no {kind}"]
