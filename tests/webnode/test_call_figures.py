"""Figures over time, and how exact they are: what no test can wait for."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from jupyter_deployr.webnode import call_figures
from jupyter_deployr.webnode.call_figures import MINUTES, CallFigures
from jupyter_deployr.webnode.latencies import milliseconds

BEGIN = 30_000_000


class Clock:
    """Stands for `perf_counter`. It begins where a minute does."""

    def __init__(self) -> None:
        self.now = 60.0 * BEGIN - call_figures._CLOCK

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(call_figures, "perf_counter", clock)
    return clock


def shape(figures: CallFigures) -> list[int]:
    return [minute.calls for minute in figures.minutes()]


def test_minutes_roll(clock: Clock) -> None:
    figures = CallFigures()
    for minute in range(90):
        for _ in range(minute + 1):
            figures.count(clock.now - 0.001)
        if minute == 88:
            figures.count_failure(200)
            figures.count_failure(400)
            figures.count_failure(502)
        clock.now += 60
    clock.now -= 60
    assert shape(figures) == list(range(31, 91))
    assert figures.total().calls == sum(range(91))
    faulty = list(figures.minutes())[-2]
    assert (faulty.user_errors, faulty.client_errors, faulty.server_errors) == (1, 1, 1)
    assert figures.total().server_errors == 1
    assert [minute.number for minute in figures.minutes()] == list(range(BEGIN + 30, BEGIN + 90))


def test_what_is_older_than_an_hour_is_in_the_total_only(clock: Clock) -> None:
    figures = CallFigures()
    figures.count(clock.now)
    clock.now += 60 * (MINUTES - 1)
    assert shape(figures) == [1] + [0] * 59
    clock.now += 60
    assert shape(figures) == [0] * 60
    figures.count(clock.now)
    assert shape(figures) == [0] * 59 + [1]
    assert figures.total().calls == 2


def test_the_most_of_what_was_seen_in_a_minute(clock: Clock) -> None:
    figures = CallFigures()
    for waiting, busy in ((1, 2), (5, 1), (0, 0)):
        figures.saw(clock.now, waiting, busy, 2)
    clock.now += 60
    figures.saw(clock.now, 0, 1, 1)
    *_, before, current = figures.minutes()
    assert (before.waiting, before.busy, before.workers) == (5, 2, 2)
    assert (current.waiting, current.busy, current.workers) == (0, 1, 1)
    assert figures.total().calls == 0


def test_a_version_that_was_never_called_has_no_buckets() -> None:
    figures = CallFigures()
    assert not figures.used
    assert shape(figures) == [0] * 60
    assert figures.total().calls == 0
    assert not figures.used


@pytest.mark.parametrize("longest", [0.0, 0.0005, 0.02, 1.0, 3600.0, 1e8])
def test_quantiles_are_known_to_eight_percent(longest: float, clock: Clock) -> None:
    random.seed(1)
    figures = CallFigures()
    durations = [longest * random.random() ** 3 for _ in range(3000)]
    # As the clock has them: its numbers are large, so short differences are rounded.
    began = [clock.now - duration for duration in durations]
    for begin in began:
        figures.count(begin)
    exact = [1000 * (clock.now - begin) for begin in began]
    for quantile in (0.5, 0.9, 0.99):
        found = milliseconds(figures.total().buckets, quantile)
        expected = float(np.quantile(exact, quantile, method="inverted_cdf"))
        assert found is not None
        # Of a microsecond more or less nothing is said.
        assert math.isclose(found, expected, rel_tol=0.08, abs_tol=0.0015)


def test_no_calls_have_no_quantiles() -> None:
    assert milliseconds([], 0.5) is None
    assert milliseconds([0, 0], 0.5) is None
