"""What a row of checks says of one server, and when to look again.

What lives here: rise and fall, and the delay until the next check. Pure: no clock, no sockets, no server.
What must not: the checks themselves, and telling anyone.
Invariant: health changes only by ``rise`` or ``fall`` observations in a row, except that the first one that a process
makes decides.
"""

from __future__ import annotations

import random

from deston.balancer.server import Health

# A second and five where the interval is two: a flip is confirmed soon, and a server that is down is left in peace.
TRANSITION_FACTOR = 0.5
DOWN_FACTOR = 2.5
# So that the checks of many workers and servers do not fall into step.
JITTER = 0.1


class HealthRecord:
    """The health of one server by its checks.

    ``rise`` and ``fall`` are how many observations in a row it takes to come up and to go down. ``health`` is what
    is known already; nothing is known of an unchecked server, so its first observation decides at once. So it does
    where the health is ``hearsay``: what another process, or this one before a restart, knew last.
    """

    __slots__ = ("_against", "_fall", "_rise", "health", "is_hearsay")

    def __init__(self, rise: int, fall: int, health: Health = Health.UNCHECKED, hearsay: bool = False) -> None:
        self._rise = rise
        self._fall = fall
        self._against = 0
        self.health = health
        #: Whether nothing was observed yet that could speak for the health.
        self.is_hearsay = hearsay

    @property
    def in_transition(self) -> bool:
        """Whether the latest observations speak against the health, but not often enough yet."""
        return self._against > 0

    def observe(self, ok: bool) -> bool:
        """Take in one observation; whether the health flipped by it."""
        observed = Health.UP if ok else Health.DOWN
        decides = self.is_hearsay or self.health is Health.UNCHECKED
        self.is_hearsay = False
        if observed is self.health:
            self._against = 0
            return False
        self._against += 1
        if not decides and self._against < (self._rise if ok else self._fall):
            return False
        self._against = 0
        self.health = observed
        return True

    def next_delay(self, interval: float, rng: random.Random) -> float:
        """The seconds from the start of one check to the start of the next, ten percent more or less."""
        if self.in_transition:
            return vary(interval * TRANSITION_FACTOR, rng)
        return vary(interval * DOWN_FACTOR if self.health is Health.DOWN else interval, rng)

    def __repr__(self) -> str:
        return f"<HealthRecord {self.health.value} {self._against} against>"


def vary(seconds: float, rng: random.Random) -> float:
    """``seconds``, ten percent more or less."""
    return seconds * rng.uniform(1 - JITTER, 1 + JITTER)
