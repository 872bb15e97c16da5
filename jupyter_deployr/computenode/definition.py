"""What a compute node needs to know of a service version to run it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import Any

from jupyter_deployr.protocol.parameters import Parameter


class Isolation(enum.StrEnum):
    """What separates the calls of a version: its namespace is put back after each, its snapshot is loaded anew for
    each, or each has a process of its own."""

    NAMESPACE = "namespace"
    RELOAD = "reload"
    PROCESS = "process"


@dataclass(frozen=True)
class ServiceDefinition:
    """One version's code, its parameters, and the path of its snapshot file.

    `label` names the version in tracebacks, e.g. "Iris V1.0". Of the parameters it holds what calls depend on
    (`Parameter.for_calls`): versions that differ in what people read only are run by the same workers.
    """

    label: str
    code: str
    init_code: str = ""
    inputs: tuple[Parameter, ...] = ()
    outputs: tuple[Parameter, ...] = ()
    output_files: tuple[str, ...] = ()
    snapshot: str | None = None
    isolation: str = Isolation.NAMESPACE

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _PARAMETERS:
            document[name] = [parameter.to_json() for parameter in document[name]]
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ServiceDefinition:
        """The reverse of `to_json`."""
        parameters = {name: tuple(map(Parameter.from_json, document[name])) for name in _PARAMETERS}
        return cls(**{**document, **parameters, "output_files": tuple(document["output_files"])})


_PARAMETERS = ("inputs", "outputs")


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
