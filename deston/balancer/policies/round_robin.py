"""Taking turns: ``round_robin`` and ``weighted_round_robin``.

Invariant: over one period every prepared candidate is picked exactly in its share; picks among other candidates
(those left after an exclusion) have turns of their own, so that a server that refuses takes nobody else's.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy, policy

# A longer period is not worth its memory: each recorded pick takes 4 bytes, so 256 KiB at most.
LONGEST_RECORDED_PERIOD = 65536


@policy("round_robin")
class RoundRobin(Policy):
    """Each candidate in turn, whatever its weight."""

    weighs = False

    _turn = -1
    _turn_of_rest = -1

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        if candidates is self._candidates:
            turn = self._turn = (self._turn + 1) % len(candidates)
        else:
            turn = self._turn_of_rest = (self._turn_of_rest + 1) % len(candidates)
        return candidates[turn]


@policy("weighted_round_robin", "wrr")
class WeightedRoundRobin(Policy):
    """Each candidate in proportion to its weight, spread evenly over the period.

    The smooth algorithm of nginx: with each pick all gain their weight, the richest is picked and pays the sum.
    """

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        self._turns = _Turns(candidates)
        self._credit_of_rest: dict[Candidate, int] = {}

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        turns = self._turns
        if candidates is turns.candidates:
            return candidates[turns.take()]
        return candidates[_step(candidates, self._credit_of_rest)]


class _Turns:
    """The turns of the same candidates, period after period.

    A step costs a look at all of them, so the first period is recorded while it is gone through, then replayed.
    """

    __slots__ = ("_credit", "_length", "_record", "_turn", "candidates")

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        weights = [candidate.weight for candidate in candidates]
        period = sum(weights) // (math.gcd(*weights) or 1)
        self.candidates = candidates
        self._credit: dict[Candidate, int] = {}
        self._record = array("I")
        self._length = period if period <= LONGEST_RECORDED_PERIOD else 0
        self._turn = 0

    def take(self) -> int:
        """The index of the candidate whose turn it is."""
        if 0 < self._length <= len(self._record):
            turn = self._turn
            self._turn = (turn + 1) % self._length
            return self._record[turn]
        index = _step(self.candidates, self._credit)
        if self._length:
            self._record.append(index)
        return index


def _step(candidates: Sequence[Candidate], credit: dict[Candidate, int]) -> int:
    total = richest = 0
    most = -math.inf
    for index, candidate in enumerate(candidates):
        weight = candidate.weight
        total += weight
        gained = credit[candidate] = credit.get(candidate, 0) + weight
        if gained > most:
            richest, most = index, gained
    credit[candidates[richest]] -= total
    return richest
