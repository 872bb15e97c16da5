"""Log lines of which there may be a flood."""

from __future__ import annotations

import asyncio
import logging

import pytest

from jupyter_deployr.computenode import few_lines
from jupyter_deployr.computenode.few_lines import FewLines
from tests.waiting import wait_until

LOG = logging.getLogger("tests.few_lines")


def test_the_first_are_written_and_the_others_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_lines, "_SECONDS", 0.3)

    async def flood() -> None:
        lines = FewLines(LOG, logging.INFO, "things")
        for number in range(1020):
            lines.write("thing %s", number)
        await asyncio.to_thread(wait_until, lambda: caplog.messages[-1].startswith("and"))
        lines.write("after it")

    with caplog.at_level(logging.INFO, LOG.name):
        asyncio.run(flood())
    assert caplog.messages == [
        *(f"thing {number}" for number in range(20)),
        "and 1,000 more things within 0 s",
        "after it",
    ]


def test_a_level_that_is_off_costs_and_counts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def write() -> None:
        lines = FewLines(LOG, logging.DEBUG, "things")
        for _ in range(100):
            lines.write("thing")

    with caplog.at_level(logging.INFO, LOG.name):
        asyncio.run(write())
    assert caplog.messages == []
