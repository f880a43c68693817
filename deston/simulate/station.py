"""A server's other side: the machine that does the work.

What lives here: how many requests it works on, the line of those that wait for it, how slow it is, whether it lives.
What must not: the pool's view of the server (``balancer.server``), time, and what becomes of a request afterwards.
Invariant: none waits at a station that has a hand free; what a dead one had is given back whole.
"""

from __future__ import annotations

from collections import deque

from deston.balancer.pool import Lease
from deston.balancer.server import Server


class Job:
    """One request on its way: who sent it, how many seconds of work it is, and where it is now.

    ``due`` is the number of the event that ends its work, and -1 while nobody works on it; ``queued`` when it joined
    the pool's queue, ``sent`` when it got its server, ``begun`` when that began.
    """

    __slots__ = ("arrived", "begun", "client", "due", "lease", "queued", "sent", "tried", "work")

    def __init__(self, arrived: float, client: int, work: float) -> None:
        self.arrived = arrived
        self.client = client
        self.work = work
        self.due = -1
        self.begun = self.queued = self.sent = 0.0
        self.lease: Lease | None = None
        #: The servers on which it failed.
        self.tried: tuple[Server, ...] = ()

    def __repr__(self) -> str:
        return f"<Job of client {self.client}, {self.work * 1000:g} ms>"


class Station:
    """The machine behind a server, which works on ``hands`` requests at once, first come, first served.

    ``factor`` is how many times as long the work takes that it begins. ``worked`` and ``answering`` are seconds: of
    work, and from a lease to its answer.
    """

    __slots__ = (
        "answering", "busy", "changes", "factor", "hands", "index", "is_dead", "line", "peak", "served", "server",
        "worked",
    )  # fmt: skip

    def __init__(self, server: Server, index: int, hands: int) -> None:
        self.server = server
        self.index = index
        self.hands = hands
        self.busy = 0
        self.factor = 1.0
        self.is_dead = False
        self.line: deque[Job] = deque()
        #: How often it has died or come back: a check that was due for an earlier time says nothing.
        self.changes = 0
        self.served = 0
        self.worked = 0.0
        self.answering = 0.0
        #: The most requests that it had at one time.
        self.peak = 0

    def __repr__(self) -> str:
        return f"<Station {self.server.name} {self.busy}/{self.hands}, {len(self.line)} in line>"
