"""The virtual clock, and what is planned.

What lives here: the time, and the events that are to come, the next one first.
What must not: what events do.
Invariant: time never goes back; of two events for the same time the one comes first that was planned first.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

#: What an event calls: with its number, and with what it is about.
Handler = Callable[[int, Any], None]
#: When it is due in seconds, its number in the order of planning, its handler, and what it is about.
Event = tuple[float, int, Handler, Any]


class Timeline:
    """Seconds since the beginning (``now``), and the ``events`` to come, as a heap."""

    __slots__ = ("events", "now", "planned")

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        #: How many events were planned, which is the number of the last one.
        self.planned = 0

    def clock(self) -> float:
        """The time, for those that ask a clock."""
        return self.now

    def plan(self, at: float, handler: Handler, subject: Any) -> int:
        """Have ``handler`` called with ``subject`` at a time; the number of that event."""
        self.planned = number = self.planned + 1
        heappush(self.events, (at, number, handler, subject))
        return number

    def step(self) -> None:
        """Go to the next event, and let it happen; there is one."""
        self.now, number, handler, subject = heappop(self.events)
        handler(number, subject)

    def __repr__(self) -> str:
        return f"<Timeline at {self.now:g}s, {len(self.events)} events to come>"
