"""Hashing: ``ip_hash``.

What lives here: rendezvous hashing by the client's address.
Invariant: as long as its server stays, a client keeps it, whatever else joins or leaves; the servers' order and
the process make no difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy, policy

_MASK = (1 << 64) - 1
# Remembered clients; about 10 MiB at most, and a full table is simply begun anew.
MOST_REMEMBERED = 65536


@policy("ip_hash", "ip_hashing")
class IpHash(Policy):
    """Always the same server for the same client address, each in proportion to its weight.

    Rendezvous hashing (Thaler and Ravishankar, 1998) with the weights of Schindelhauer and Schomaker, 2005: every
    candidate has a score for the client, the best one wins. A pick costs a step over all candidates, so the
    answers for the prepared candidates are remembered.
    """

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        remembered: dict[str, int] = {}
        self._prepared = candidates, remembered
        self._seeds = _Seeds()

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        prepared, remembered = self._prepared
        if candidates is not prepared:
            return candidates[self._best(candidates, key)]
        index = remembered.get(key)
        if index is None:
            if len(remembered) >= MOST_REMEMBERED:
                remembered.clear()
            index = remembered[key] = self._best(candidates, key)
        return candidates[index]

    def _best(self, candidates: Sequence[Candidate], key: str) -> int:
        client = _hash64(key)
        seeds = self._seeds
        costs = [_cost(client ^ seeds[candidate], candidate.weight) for candidate in candidates]
        return costs.index(min(costs))


class _Seeds(dict[Candidate, int]):
    """What each candidate brings into its scores: a hash of its address, worked out once."""

    def __missing__(self, candidate: Candidate) -> int:
        seed = self[candidate] = _hash64(str(candidate.address))
        return seed


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _cost(bits: int, weight: int) -> float:
    """An exponential variable whose rate is the weight: the smallest of them wins in proportion."""
    return -math.log((_mix(bits) + 1) / (_MASK + 2)) / weight


def _mix(value: int) -> int:
    """Spread 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
