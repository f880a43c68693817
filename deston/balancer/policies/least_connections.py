"""The least busy: ``least_connections``.

Invariant: no candidate has fewer active leases for its weight than the one that is picked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy, policy
from deston.balancer.policies.round_robin import WeightedRoundRobin


@policy("least_connections", "least_conn")
class LeastConnections(Policy):
    """The candidate with the fewest active leases for its weight; equal ones take turns by weight.

    A lease is a connection at L4 and a request at L7; the field calls both "connections".
    """

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        turns = WeightedRoundRobin()
        turns.prepare(candidates)
        self._turns = turns

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        turns = self._turns
        ahead = turns.pick(candidates, key)
        if not ahead.active:
            return ahead  # Nobody is less busy than an idle one, so there is no need to look at all.
        equal = _least_busy(candidates)
        return equal[0] if len(equal) == 1 else turns.pick(equal, key)


def _least_busy(candidates: Sequence[AnyCandidate]) -> list[AnyCandidate]:
    least = math.inf
    equal: list[AnyCandidate] = []
    for candidate in candidates:
        load = candidate.active / candidate.weight
        if load < least:
            least, equal = load, [candidate]
        elif load == least:
            equal.append(candidate)
    return equal
