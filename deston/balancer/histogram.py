"""How many of something took how long.

What lives here: the ranges in which times are counted together, and a count for each. Pure: times are handed in.
What must not: what is timed, and how it is shown (``admin.figure_metrics``).
Invariant: memory and the cost of a count are the same however many there were.
"""

from __future__ import annotations

from typing import Final

#: Up to how many seconds times are counted together: from a cache's answer to a connection that lasts.
BOUNDS: Final[tuple[float, ...]] = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
)  # fmt: skip


class Histogram:
    """``counts`` has how many took up to each of ``BOUNDS``, and longer than all; ``seconds`` is their sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self.seconds += seconds
        index = 0
        for bound in BOUNDS:  # Most take little, and end in one of the first.
            if seconds <= bound:
                break
            index += 1
        self.counts[index] += 1

    def __repr__(self) -> str:
        return f"<Histogram of {sum(self.counts)}>"
