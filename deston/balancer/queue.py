"""The queue of a pool: clients that wait until a server has room.

What lives here: the order, and telling the next one. Pure.
What must not: waiting itself, its timeout, and how many may wait.
Invariant: first come, first served; whoever is told is in the queue no more, and takes a lease or tells the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

#: Called once when there may be room; it must not switch greenlets.
Wake = Callable[[], None]


class Queue:
    """Clients that wait for a lease of one pool."""

    __slots__ = ("longest", "seconds", "waited", "waiting")

    def __init__(self) -> None:
        #: Looked at by every lease that ends, so it is no more than a deque.
        self.waiting: deque[Wake] = deque()
        #: How many have waited, for how long all together and at the longest, in seconds.
        self.waited = 0
        self.seconds = 0.0
        self.longest = 0.0

    def account(self, seconds: float) -> None:
        """Count one that has waited, whether it was served then or not."""
        self.waited += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)

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
