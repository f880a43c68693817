"""The queue of a pool: clients that wait until a server has room.

What lives here: the order, and telling the next one. Pure.
What must not: waiting itself, its timeout, and how many may wait.
Invariant: first come, first served; whoever is told is in the queue no more, and takes a lease or tells the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from deston.balancer.histogram import Histogram

#: Called once when there may be room; it must not switch greenlets.
Wake = Callable[[], None]


class Queue:
    """Clients that wait for a lease of one pool."""

    __slots__ = ("longest", "times", "waiting")

    def __init__(self) -> None:
        #: Looked at by every lease that ends, so it is no more than a deque.
        self.waiting: deque[Wake] = deque()
        #: How long clients have waited, and one of them at the longest, in seconds.
        self.times = Histogram()
        self.longest = 0.0

    def account(self, seconds: float) -> None:
        """Count one that has waited, whether it was served then or not."""
        self.times.add(seconds)
        self.longest = max(self.longest, seconds)

    @property
    def waited(self) -> int:
        """How many have waited."""
        return sum(self.times.counts)

    def join(self, wake: Wake) -> None:
        """Wait behind all others."""
        self.waiting.append(wake)

    def rejoin(self, wake: Wake) -> None:
        """Wait again in front of all others, having been told in vain."""
        self.waiting.appendleft(wake)

    def leave(self, wake: Wake) -> None:
        """Wait no more."""
        with suppress(ValueError):
            self.waiting.remove(wake)

    def tell_next(self) -> None:
        """Tell the one that waits the longest that there may be room."""
        try:
            wake = self.waiting.popleft()
        except IndexError:  # Another thread was quicker.
            return
        wake()

    def __repr__(self) -> str:
        return f"<Queue {len(self.waiting)}>"
