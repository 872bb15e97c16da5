"""Reports of failed calls: through the channel, bounded, and whatever user code may have written instead."""

from __future__ import annotations

import pytest

from jupyter_deployr.computenode.reports import MAX_REPORT_BYTES, REPORTED, FailureReport, with_report, without_report

REPORTS = {
    "empty": FailureReport(),
    "usual": FailureReport("ValueError: x", "Traceback …\nValueError: x\n", "printed\n"),
    "control characters": FailureReport("\0\x1b", '"\\', "\n"),
    "half a surrogate pair": FailureReport("\ud800", "a", "b"),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_comes_with_its_answer(name: str) -> None:
    code, payload = with_report(200, b'{"success":false}', REPORTS[name])
    assert code >= REPORTED
    answer = without_report(code, payload)
    assert answer == (200, b'{"success":false}')
    read = FailureReport.read(answer.report)
    assert (read.traceback, read.console) == (REPORTS[name].traceback, REPORTS[name].console)
    assert read.message == REPORTS[name].message or "\ud800" in REPORTS[name].message


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600", "\x01", '"', "\ud800"])
def test_a_report_is_bounded(character: str) -> None:
    much = character * 1_000_000
    report = FailureReport("the error", much, much + "the end").to_bytes()
    assert len(report) <= MAX_REPORT_BYTES
    read = FailureReport.read(report)
    assert read.message == "the error"
    assert read.console.endswith("the end") or not read.console
    assert len(FailureReport(much).to_bytes()) <= MAX_REPORT_BYTES


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b"[" * 100_000,
        b'{"message": 1, "traceback": null}',
        b'{"x": 1}',
    ],
)
def test_what_is_no_report_says_nothing(report: bytes) -> None:
    assert FailureReport.read(report) == FailureReport()


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\xff\xff\xff\xff", b"\xff\xff\xff\xffabc", b"\0\0\0\0"])
def test_a_reply_that_only_says_to_have_a_report(payload: bytes) -> None:
    answer = without_report(200 | REPORTED, payload)
    assert answer == (200, b"")
    assert FailureReport.read(answer.report) == FailureReport()


def test_a_forged_report_is_cut() -> None:
    huge = (10 * MAX_REPORT_BYTES).to_bytes(4, "little") + b"x" * 10 * MAX_REPORT_BYTES + b"body"
    answer = without_report(200 | REPORTED, huge)
    assert answer == (200, b"body")
    assert len(answer.report) == MAX_REPORT_BYTES
