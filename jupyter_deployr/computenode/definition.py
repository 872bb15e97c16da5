"""What a compute node needs to know of a service version to run it."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any


class Isolation(enum.StrEnum):
    """What separates the calls of a version: its namespace is put back after each, its snapshot is loaded anew for
    each, or each has a process of its own."""

    NAMESPACE = "namespace"
    RELOAD = "reload"
    PROCESS = "process"


@dataclass(frozen=True)
class ServiceDefinition:
    """One version's code, its parameters as (name, canonical type), and the path of its snapshot file.

    `label` names the version in tracebacks, e.g. "Iris V1.0".
    """

    label: str
    code: str
    init_code: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    output_files: tuple[str, ...] = ()
    snapshot: str | None = None
    isolation: str = Isolation.NAMESPACE

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ServiceDefinition:
        """The reverse of `to_json`."""
        pairs = {name: tuple((key, kind) for key, kind in document[name]) for name in ("inputs", "outputs")}
        return cls(**{**document, **pairs, "output_files": tuple(document["output_files"])})


class CodeError(Exception):
    """Code of a version that doesn't compile; the text names the line."""


def compile_code(code: str, filename: str) -> Any:
    """Compile a version's code as a module. Raises CodeError."""
    try:
        return compile(code, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = f"line {error.lineno}: {(error.text or '').strip()}" if error.lineno else "the code"
        raise CodeError(f"{type(error).__name__} in {filename}, {line} ({error.msg})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CodeError(f"{filename} doesn't compile: {error}") from None
