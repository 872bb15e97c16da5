"""What the publisher of a version should know of a call that failed, beside the answer that the consumer gets.

In the reply of a worker `REPORTED` is added to the HTTP status then, and the payload is

    u32 length of the report · report (JSON) · body of the answer

Good calls have none of this, and nothing is looked for in them. User code could write such a reply itself, so a report
is only text: cut to a length, and readable whatever it holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from jupyter_deployr.protocol.strict_json import write_json

REPORTED = 0x4000
MAX_REPORT_BYTES = 64 * 1024

_LENGTH_BYTES = 4
_MAX_MESSAGE = 4_000
# The end of a traceback or of an output says more than its beginning. In UTF-8 and JSON a character may take 6 bytes.
_MAX_TEXT = 8_000
_CUT = "(cut) …"

Answer = tuple[int, bytes]


class ReportedAnswer(tuple[int, bytes]):
    """HTTP status and body, as of any call, and the `report` as its bytes."""

    report: bytes


@dataclass(frozen=True)
class FailureReport:
    """The error in one line, its traceback and what the call has printed, as far as they go."""

    message: str = ""
    traceback: str = ""
    console: str = ""

    @classmethod
    def read(cls, report: bytes) -> FailureReport:
        """What a worker wrote; what can't be read is left out."""
        try:
            found = orjson.loads(report)
        except orjson.JSONDecodeError:
            return cls()
        if not isinstance(found, dict):
            return cls()
        texts = {name: found[name] for name in cls.__dataclass_fields__ if isinstance(found.get(name), str)}
        return cls(**texts)

    def to_bytes(self) -> bytes:
        """In at most `MAX_REPORT_BYTES`."""
        message = self.message[:_MAX_MESSAGE]
        texts = {"message": message, "traceback": _end(self.traceback), "console": _end(self.console)}
        report = write_json(texts)
        return report if len(report) <= MAX_REPORT_BYTES else write_json({"message": message})


def _end(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else _CUT + text[-_MAX_TEXT:]


def with_report(status: int, body: bytes, report: FailureReport) -> Answer:
    """Code and payload of a reply that carries a report."""
    told = report.to_bytes()
    return status | REPORTED, len(told).to_bytes(_LENGTH_BYTES, "little") + told + body


def without_report(code: int, payload: bytes) -> ReportedAnswer:
    """The answer for the consumer, with the report taken out of it."""
    start = _LENGTH_BYTES
    end = start + int.from_bytes(payload[:start], "little")
    answer = ReportedAnswer((code & ~REPORTED, payload[end:]))
    answer.report = payload[start : min(end, start + MAX_REPORT_BYTES)]
    return answer
