"""Counts of the calls of one version, since it is counted and for each minute of the last hour.

They are in this process's memory only. A call costs a quarter of a microsecond; minutes are closed by the first call
or look after their end, and a version that was never called has no buckets.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log
from time import perf_counter

from jupyter_deployr.webnode.latencies import BUCKETS, SCALE, SHIFT, SHORTEST_SECONDS

MINUTES = 60
_SECONDS = 60.0
# Minutes are those of the clock when the process began; a clock that is set later shifts what they are called.
_CLOCK = time.time() - perf_counter()


@dataclass
class CallCounts:
    """Calls, by how they ended, and in the buckets of their latencies.

    `user_errors` are calls whose code failed, `client_errors` and `server_errors` those answered with 4xx and 5xx.
    """

    user_errors: int = 0
    client_errors: int = 0
    server_errors: int = 0
    buckets: Sequence[int] = ()

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(self.buckets)

    def add(self, other: CallCounts) -> None:
        """Count also what `other` has counted."""
        self.user_errors += other.user_errors
        self.client_errors += other.client_errors
        self.server_errors += other.server_errors
        self.buckets = [one + another for one, another in zip(self.buckets, other.buckets, strict=True)]


@dataclass
class MinuteCounts(CallCounts):
    """A minute, by its number since 1970. `waiting`, `busy` and `workers` are the most that were seen in it."""

    number: int = 0
    waiting: int = 0
    busy: int = 0
    workers: int = 0


class CallFigures:
    """Counts calls. All times given to it are of `time.perf_counter`."""

    def __init__(self) -> None:
        self.since = time.time()
        self._ends = -inf
        self._buckets: list[int] = []
        self._minute = MinuteCounts()
        self._past: deque[MinuteCounts] = deque(maxlen=MINUTES - 1)
        self._before = CallCounts()

    @property
    def used(self) -> bool:
        """Whether there has been a call at all."""
        return bool(self._buckets)

    def count(self, began: float) -> None:
        """Count a call that has just ended; it is a good one unless `count_failure` says otherwise."""
        now = perf_counter()
        if now >= self._ends:
            self._turn(now)
        self._buckets[int(log(now - began + SHORTEST_SECONDS) * SCALE + SHIFT)] += 1

    def count_failure(self, status: int) -> None:
        """Say how the call that was counted last has failed: 200 is for user code that did."""
        if status >= 500:
            self._minute.server_errors += 1
        elif status >= 400:
            self._minute.client_errors += 1
        else:
            self._minute.user_errors += 1

    def saw(self, now: float, waiting: int, busy: int, workers: int) -> None:
        """Keep the most of what is seen in a minute."""
        if now >= self._ends:
            self._turn(now)
        minute = self._minute
        minute.waiting = max(minute.waiting, waiting)
        minute.busy = max(minute.busy, busy)
        minute.workers = max(minute.workers, workers)

    def _turn(self, now: float) -> None:
        """Close the minute that has ended, and begin the one of `now`."""
        if self._buckets:
            self._before.add(self._minute)
            # Half a kilobyte instead of some.
            self._minute.buckets = array("L", self._buckets)
            self._past.append(self._minute)
        else:
            self._before.buckets = [0] * BUCKETS
        number = int((now + _CLOCK) // _SECONDS)
        self._buckets = [0] * BUCKETS
        self._minute = MinuteCounts(buckets=self._buckets, number=number)
        self._ends = (number + 1) * _SECONDS - _CLOCK

    def total(self) -> CallCounts:
        """All calls since `since`."""
        total = replace(self._before)
        if self._buckets:
            total.add(self._minute)
        return total

    def minutes(self) -> Iterator[MinuteCounts]:
        """The last hour, minute by minute, the oldest first; the last is the one that has only begun."""
        current = int((perf_counter() + _CLOCK) // _SECONDS)
        known = {minute.number: minute for minute in (*self._past, self._minute)}
        for number in range(current - MINUTES + 1, current + 1):
            yield known.get(number) or MinuteCounts(number=number)
