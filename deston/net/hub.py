"""What each gevent hub has once: its sweeper, its scratch buffer, and whatever else belongs to one hub.

What lives here: finding the one of a kind of the current hub, the timer that ends what is overdue, the buffer that
every read of a relay goes through.
What must not: streams and relays themselves.
Invariant: what is found here belongs to one hub, and so to one thread. Deadlines are enforced by a look once a
tick, because a timer for each read costs more than the read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from gevent.hub import Hub, get_hub

TICK: Final = 1.0
# What a greenlet may take of the hub's time without a wait, in seconds: a hundred of them still keep every deadline.
LONGEST_TURN: Final = 0.01
FINEST_TICK: Final = 0.02
# A timeout may fire late by this share of itself at most.
TOLERANCE: Final = 0.25
# Measured on loopback through one connection: 64 KiB 14.9, 256 KiB 18.4, 1 MiB 19.8 Gbit/s.
SCRATCH_SIZE: Final = 1 << 20

Kind = TypeVar("Kind")
_get_hub: Final = get_hub  # A compiler finds it at once by this.


class Sweepable(Protocol):
    """Something that can be overdue."""

    def sweep(self, now: float) -> None:
        """End what is overdue at ``now`` (seconds of the monotonic clock); runs in the hub."""


class Sweeper:
    """Looks over everything that may be overdue, once a tick.

    The tick is a second, and finer for good once a shorter timeout was asked for.
    """

    def __init__(self) -> None:
        self.watched: set[Sweepable] = set()
        self._start(TICK)

    def refine(self, timeout: float) -> None:
        """Make the tick fine enough for a timeout (in seconds)."""
        tick = max(FINEST_TICK, timeout * TOLERANCE)
        if tick < self._tick:
            self.close()
            self._start(tick)

    def close(self) -> None:
        """Look no more; for a sweeper that is not the hub's, whose life is the hub's own."""
        self._timer.stop()
        self._timer.close()

    def _start(self, tick: float) -> None:
        self._tick = tick
        self._timer = get_hub().loop.timer(tick, tick, ref=False)
        self._timer.start(self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for thing in list(self.watched):
            thing.sweep(now)

    def __repr__(self) -> str:
        return f"<Sweeper every {self._tick:g}s, {len(self.watched)} watched>"


class Home:
    """All that a hub has once; a stream keeps its own, so that the path of the bytes looks nothing up."""

    __slots__ = ("hub", "io", "kinds", "scratch", "sweeper")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.io: Callable[[int, int], Any] = hub.loop.io
        self.scratch = memoryview(bytearray(SCRATCH_SIZE))
        self.sweeper = Sweeper()
        self.kinds: dict[Callable[[], object], Any] = {}


def home() -> Home:
    """The home of the current hub."""
    hub = _get_hub()
    # Kept on the hub itself: where gevent has patched it, threading.local would mean the greenlet.
    found: Home | None = hub.__dict__.get("deston")
    if found is None:
        found = hub.__dict__["deston"] = Home(hub)
    return found


def one_for_hub(factory: Callable[[], Kind]) -> Kind:
    """What ``factory`` makes, once for the current hub."""
    kinds = home().kinds
    found: Kind | None = kinds.get(factory)
    if found is None:
        found = kinds[factory] = factory()
    return found


def _let_the_loop_turn() -> None:
    """Come back when every socket was looked at once; ``sleep(0)`` comes back up to fifty times before that."""
    hub = get_hub()
    timer = hub.loop.timer(0.0)
    try:
        hub.wait(timer)
    finally:
        timer.close()


class Turn:
    """The turn of a greenlet whose peers never make it wait: it gives way to the others now and then."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.monotonic()

    def give_way(self) -> None:
        """Let the others run, if that was long ago."""
        if time.monotonic() - self._began > LONGEST_TURN:
            _let_the_loop_turn()
            self._began = time.monotonic()

    def __repr__(self) -> str:
        return f"<Turn of {time.monotonic() - self._began:.3f}s>"


def sweeper() -> Sweeper:
    """The sweeper of the current hub."""
    return home().sweeper


def scratch() -> memoryview:
    """The scratch buffer of the current hub: free for use until the next switch."""
    return home().scratch
