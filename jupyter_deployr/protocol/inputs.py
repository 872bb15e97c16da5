"""Inputs of calls: the request body of one service as the variables that its code sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyter_deployr.protocol.errors import BadRequest, InvalidInputs
from jupyter_deployr.protocol.limits import expectation, limited_reader
from jupyter_deployr.protocol.parameters import Parameter, shortened
from jupyter_deployr.protocol.strict_json import read_json
from jupyter_deployr.protocol.values import Mismatch

_MOST_UNKNOWN = 20  # named in one answer; a body may hold a million


class InputReader:
    """Turns request bodies of one service into the variables that its code sees."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        """`parameters` are the inputs in the order of the service's definition."""
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._readers = {name: limited_reader(parameter) for name, parameter in self._parameters.items()}
        self._needs_body = any(parameter.default is None for parameter in self._parameters.values())

    def read(self, body: bytes | bytearray | memoryview) -> dict[str, Any]:
        """Name → value for every input. Raises BadRequest, or InvalidInputs listing all faults of the body at once.

        An input that is null counts as not given. What isn't given is the input's default, made anew for each call.
        A body is needed unless every input has a default.
        """
        document = read_json(body) if body or self._needs_body else {}
        if type(document) is not dict:
            raise BadRequest("The request body must be a JSON object that maps input names to values.")
        readers = self._readers
        if document.keys() == readers.keys():
            try:
                return {name: reader(document[name]) for name, reader in readers.items()}
            except Mismatch:
                pass
        return self._read_one_by_one(document)

    def _read_one_by_one(self, document: dict[str, Any]) -> dict[str, Any]:
        """The same with defaults, and with an eye on the faults."""
        values: dict[str, Any] = {}
        faults: dict[str, str] = {}
        for name, parameter in self._parameters.items():
            given = document.get(name)
            if given is None:
                given = parameter.default
            if given is None:
                faults[name] = f"{name} is missing: expected {parameter.type}, {expectation(parameter)}"
                continue
            try:
                values[name] = self._readers[name](given)
            except Mismatch as fault:
                faults[name] = f"{name} must be {parameter.type}, {expectation(parameter)}, not {fault}"
        faults |= self._unknown(document)
        if faults:
            raise InvalidInputs("; ".join(faults.values()) + ".", fields=faults)
        return values

    def _unknown(self, document: dict[str, Any]) -> dict[str, str]:
        unknown = [shortened(name) for name in document if name not in self._parameters]
        inputs = ", ".join(self._parameters) or "none"
        faults = {
            name: f"{name!r} is not an input of this service (its inputs: {inputs})" for name in unknown[:_MOST_UNKNOWN]
        }
        if len(unknown) > _MOST_UNKNOWN:
            faults[unknown[-1]] = f"nor are {len(unknown) - _MOST_UNKNOWN} more names"
        return faults
