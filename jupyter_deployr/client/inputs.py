"""The inputs of a service as they travel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jupyter_deployr.client.records import checked
from jupyter_deployr.protocol.errors import InvalidInputs
from jupyter_deployr.protocol.strict_json import write_json_with_nan


def inputs_as_json(inputs: Mapping[str, Any]) -> bytes:
    """The body of a call. Raises InvalidInputs naming every input that has no JSON form."""
    try:
        return write_json_with_nan(dict(inputs))
    except TypeError:
        faults = dict(_unwritable(inputs))
        raise InvalidInputs("; ".join(faults.values()) + ".", fields=faults) from None


def records_as_json(records: Iterable[Mapping[str, Any]]) -> bytes:
    """The body of a batch. Raises InvalidInputs naming the first record that has no JSON form, and its inputs."""
    if isinstance(records, (str, bytes, Mapping)) or not isinstance(records, Iterable):
        raise InvalidInputs(f"The records of a batch are a list of mappings, not a {type(records).__name__}.")
    return b"[" + b",".join(_each_as_json(records)) + b"]"


def _each_as_json(records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for position, record in enumerate(records):
        inputs = checked(position, record)
        try:
            yield inputs_as_json(inputs)
        except InvalidInputs as refusal:
            raise InvalidInputs(f"Record {position}: {refusal}", fields=refusal.fields) from None


def _unwritable(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in inputs.items():
        try:
            write_json_with_nan(value)
        except TypeError as refusal:
            yield name, f"{name}: {refusal}"
