"""How long calls take: counts in buckets whose bounds grow by a constant factor, so that any quantile is known to 8 %.

A duration is counted in the bucket `int(log(seconds + SHORTEST_SECONDS) * SCALE + SHIFT)`. That is written out where
calls are counted: they must not pay for a function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

_FACTOR = 1.15
# It is added to each duration, which may be 0, and taken off again.
SHORTEST_SECONDS = 1e-6
_LONGEST_SECONDS = 1e9

SCALE = 1 / math.log(_FACTOR)
SHIFT = -math.log(SHORTEST_SECONDS) * SCALE
BUCKETS = int(math.log(_LONGEST_SECONDS) * SCALE + SHIFT) + 1


def milliseconds(buckets: Sequence[int], quantile: float) -> float | None:
    """The duration that the share `quantile` of all calls didn't exceed; None without calls."""
    counted = list(accumulate(buckets))
    if not counted or not counted[-1]:
        return None
    rank = max(1, math.ceil(quantile * counted[-1]))
    found = next(index for index, below in enumerate(counted) if below >= rank)
    # The middle of a bucket, as the factor goes.
    seconds = math.exp((found + 0.5 - SHIFT) / SCALE) - SHORTEST_SECONDS
    return round(max(seconds, 0.0) * 1000, 4)
