"""How many bytes went through each listener of this process.

What lives here: the two counts of a listener, and what is told of them.
What must not: who counts, and bytes by server (``balancer.server``).
Invariant: counts outlive a reload and their listener, so that what they are summed to never shrinks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from deston.figures import Figure, grows


class Traffic:
    """Bytes from clients to servers (``received``), and back (``sent``); of HTTP, those of bodies and tunnels."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0

    def add(self, received: int, sent: int) -> None:
        """So many bytes more."""
        self.received += received
        self.sent += sent

    def __repr__(self) -> str:
        return f"<Traffic {self.received} received, {self.sent} sent>"


#: By the names of listeners.
traffic: Final[defaultdict[str, Traffic]] = defaultdict(Traffic)


def figures() -> Iterator[Figure]:
    """What there is to be told."""
    for listener, counts in list(traffic.items()):
        yield grows("listener_received", listener), counts.received
        yield grows("listener_sent", listener), counts.sent
