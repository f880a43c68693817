"""Many durations in little memory.

What lives here: counts in buckets whose bounds grow by half a percent, and the percentiles that they tell.
What must not: what the durations mean.
Invariant: a percentile is within a quarter of a percent of the exact one, however many durations there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

_GROWTH = 1.005
# Anything shorter counts as nothing, anything longer as this; in seconds.
_SHORTEST, _LONGEST = 1e-6, 1e6
_SCALE = 1 / math.log(_GROWTH)
# The first bucket is for nothing at all.
_OFFSET = 1 - math.log(_SHORTEST) * _SCALE
_LAST = int(math.log(_LONGEST) * _SCALE + _OFFSET)


class Histogram:
    """Counts of durations in seconds; ``longest`` and ``mean`` are exact."""

    __slots__ = ("_counts", "count", "longest", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (_LAST + 1)
        self.count = 0
        self.longest = 0.0
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.sum += seconds
        if seconds > self.longest:
            self.longest = seconds
        if seconds < _SHORTEST:
            self._counts[0] += 1
        else:
            index = int(_log(seconds) * _SCALE + _OFFSET)
            self._counts[index if index < _LAST else _LAST] += 1

    @property
    def mean(self) -> float:
        """Their mean in seconds; 0 where there are none."""
        return self.sum / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """What so many percent of them do not exceed, in seconds; 0 where there are none."""
        rank = percent / 100 * self.count
        return next((seconds for seconds, at_most in self.steps() if at_most >= rank), self.longest)

    def steps(self) -> Iterator[tuple[float, int]]:
        """Each duration that was counted, in seconds, the shortest first, and how many do not exceed it."""
        at_most = 0
        for index, count in enumerate(self._counts):
            if count:
                at_most += count
                yield min(_middle(index), self.longest), at_most

    def __repr__(self) -> str:
        return f"<Histogram of {self.count}>"


_log = math.log


def _middle(index: int) -> float:
    return math.exp((index + 0.5 - _OFFSET) / _SCALE) if index else 0.0
