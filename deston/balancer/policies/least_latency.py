"""The soonest to answer: ``least_latency``.

What lives here: a cost for each candidate that jumps to a peak and forgets it with time, and the choice between two.
Invariant: every candidate is picked now and then, so that one with a bad start is not left alone for ever.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

from deston.balancer.policies.base import AnyCandidate, Candidate, policy
from deston.balancer.policies.random import TwoChoices

# How long a candidate's past counts, in seconds: what lies so far back has a third of its weight (Finagle's 10 s).
MEMORY = 10.0
# This share of picks is by weight alone (wishes.md, 16: a server that is never asked can never show that it is well).
EXPLORED = 0.05
# A smaller advantage is noise: without this, of two that are nearly alike one would get nothing.
NOTICED = 0.9


@policy("least_latency", "peak_ewma")
class LeastLatency(TwoChoices):
    """Of two that are drawn by weight, the one with the lower cost: latency times what it would then have under way.

    Peak EWMA as in Finagle: an answer slower than expected counts at once, a quicker one by and by, and while a
    candidate is idle its cost decays. ``clock`` gives seconds.
    """

    learns = True

    def __init__(self, rng: random.Random | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # The cost in seconds, and when that was; replaced together.
        self._costs: dict[Candidate, tuple[float, float]] = {}
        super().__init__(rng)

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        super().prepare(candidates)
        kept = {one: self._costs[one] for one in candidates if one in self._costs}
        self._costs = kept

    def observe(self, candidate: Candidate, seconds: float) -> None:
        now = self._clock()
        cost, since = self._costs.get(candidate, (0.0, now))
        if seconds < cost:
            weight = math.exp((since - now) / MEMORY)
            seconds = cost * weight + seconds * (1.0 - weight)
        self._costs[candidate] = seconds, now

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        if len(candidates) == 1:
            return candidates[0]
        first, second = self._draw_two(candidates)
        if self.rng.random() < EXPLORED:
            return first
        return second if self._is_better(second, first) else first

    def _is_better(self, one: Candidate, other: Candidate) -> bool:
        now = self._clock()
        costs = self._cost(one, now), self._cost(other, now)
        if not all(costs):
            costs = 1.0, 1.0  # One of them was never asked: nothing is known but how busy they are.
        # Weights have had their say in the draw: they count for what is under way only.
        cost = costs[0] * (one.active / one.weight + 1)
        return cost < costs[1] * (other.active / other.weight + 1) * NOTICED

    def _cost(self, candidate: Candidate, now: float) -> float:
        cost, since = self._costs.get(candidate, (0.0, now))
        return cost * math.exp((since - now) / MEMORY)
