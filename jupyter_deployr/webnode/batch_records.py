"""The records of a batch: cut from the request body as they came, and what is kept of each one's answer."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from jupyter_deployr.protocol.errors import BadRequest, DeployRError, PayloadTooLarge
from jupyter_deployr.protocol.strict_json import read_json
from jupyter_deployr.webnode.store import RecordResult

# A bracket, or a whole string.
_STRUCTURE = re.compile(rb'[\[\]{}]|"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BLANK = b" \t\r\n"

Answer = tuple[int, bytes]


def split_records(body: bytes, most: int) -> list[bytes]:
    """The elements of a JSON array of objects, each checked to be JSON and left as it came.

    The array is never in memory as Python objects, only one record at a time is. Raises BadRequest naming the record,
    PayloadTooLarge when there are more than `most`.
    """
    records: list[bytes] = []
    for position, record in enumerate(_objects(body)):
        if position >= most:
            raise PayloadTooLarge(f"The batch has more than {most:,} records. Start several smaller ones.")
        try:
            read_json(record)
        except BadRequest as fault:
            raise BadRequest(f"Record {position}: {fault}") from None
        records.append(record)
    if not records:
        raise BadRequest("The batch has no records.")
    return records


def _objects(body: bytes) -> Iterator[bytes]:
    """The bytes between the matching braces below one array. Raises BadRequest when anything else stands there.

    Every byte is either handed out, or known to be blank, a comma between two records or the array's own bracket: when
    all that is handed out is JSON, the body is.
    """
    opening = len(body) - len(body.lstrip(_BLANK))
    if body[opening : opening + 1] != b"[":
        raise BadRequest("The body of a batch must be a JSON array of records, each an object of inputs.")
    depth, start, end, position = 0, 0, opening + 1, 0
    for found in _STRUCTURE.finditer(body, opening + 1):
        sign = body[found.start()]
        if sign in b"{[":
            if not depth:
                start = found.start()
                if sign == ord("[") or body[end:start].strip(_BLANK) != (b"," if position else b""):
                    raise _no_object(position)
            depth += 1
        elif sign in b"}]":
            depth -= 1
            if not depth:
                end = found.end()
                position += 1
                yield body[start:end]
            elif depth < 0:
                if body[end : found.start()].strip(_BLANK) or sign == ord("}"):
                    raise _no_object(position)
                if body[found.end() :].strip(_BLANK):
                    raise BadRequest("The request body is not valid JSON: something stands behind the array.")
                return
    raise BadRequest("The request body is not valid JSON: the array doesn't end.")


def _no_object(position: int) -> BadRequest:
    return BadRequest(f"Record {position} is not a JSON object of inputs, separated from the others by one comma.")


def record_result(position: int, outcome: Answer | DeployRError, output_files: Sequence[str]) -> RecordResult:
    """What is kept of a worker's answer, or of why there is none. The contents of `output_files` are taken out of it:
    they are kept, and fetched, file by file."""
    if isinstance(outcome, DeployRError):
        return RecordResult(position, _failed(str(outcome)))
    status, body = outcome
    try:
        if status != 200:
            return RecordResult(position, _failed(str(orjson.loads(body)["message"])))
        if not output_files:
            _check_answer(body)
            return RecordResult(position, body)
        return _with_files(position, body, output_files)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, binascii.Error):
        # User code wrote into its worker's channel.
        return RecordResult(position, _failed("The worker's answer can't be read."))


def not_run(reason: str) -> bytes:
    """The result of a record that wasn't run, because its execution failed for that reason."""
    return _failed(f"The record was not run. {reason}".rstrip())


def _check_answer(body: bytes) -> None:
    """Raises ValueError for what would spoil the document that it becomes a part of."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = json.loads(body, parse_constant=_no_number)  # whole numbers of any size
    if not isinstance(answer, dict):
        raise ValueError("no WebServiceResult")


def _no_number(token: str) -> None:
    raise ValueError(f"{token} is not JSON")


def _with_files(position: int, body: bytes, output_files: Sequence[str]) -> RecordResult:
    answer: dict[str, Any] = json.loads(body)
    written, answer["outputFiles"] = answer["outputFiles"], {}
    files = {
        name: base64.b64decode(written[name], validate=True) for name in output_files if written.get(name) is not None
    }
    result = json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("ascii")
    return RecordResult(position, result, files)


def _failed(message: str) -> bytes:
    """The WebServiceResult of a record that has no answer of its own."""
    return orjson.dumps(
        {
            "success": False,
            "errorMessage": message,
            "consoleOutput": "",
            "changedFiles": [],
            "outputFiles": {},
            "outputParameters": {},
        }
    )
