"""Hashing: ``ip_hash``, ``header_hash``, ``cookie_hash`` and ``uri_hash``.

What lives here: rendezvous hashing by a key, with a bound on what one server may have if that is asked for.
What must not: where the key comes from; whoever asks for a pick brings it.
Invariant: as long as its server stays (and is within the bound), a key keeps it, whatever else joins or leaves; the
servers' order and the process make no difference.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from hashlib import blake2b

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy, policy

_MASK = (1 << 64) - 1
# Remembered clients; about 10 MiB at most, and a full table is simply begun anew.
MOST_REMEMBERED = 65536


class _Hashing(Policy):
    """Always the same server for the same key, each in proportion to its weight.

    Rendezvous hashing (Thaler and Ravishankar, 1998) with the weights of Schindelhauer and Schomaker, 2005: every
    candidate has a score for the key, the best one wins. A pick costs a step over all candidates, so the answers for
    the prepared candidates are remembered.

    ``balance_factor`` bounds what one may have, in percent of its even share of what is under way: a key whose server
    is over that goes to the next in its order (Mirrokni, Thorup and Zadimoghaddam, 2016). 0 is no bound.
    """

    def __init__(self, rng: random.Random | None = None, balance_factor: int = 0) -> None:
        self._factor = balance_factor / 100
        super().__init__(rng)

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        remembered: dict[str, int] = {}
        self._prepared = candidates, remembered
        self._seeds = _Seeds()

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        prepared, remembered = self._prepared
        if candidates is not prepared:
            index = self._best(candidates, key)
        elif key in remembered:
            index = remembered[key]
        else:
            if len(remembered) >= MOST_REMEMBERED:
                remembered.clear()
            index = remembered[key] = self._best(candidates, key)
        best = candidates[index]
        return self._within_bound(candidates, key, best) if self._factor and best.active else best

    def _within_bound(self, candidates: Sequence[AnyCandidate], key: str, best: AnyCandidate) -> AnyCandidate:
        active = 1 + sum(candidate.active for candidate in candidates)
        share = self._factor * active / sum(candidate.weight for candidate in candidates)
        if best.active < math.ceil(share * best.weight):
            return best
        costs = self._costs(candidates, key)
        in_order = sorted(range(len(candidates)), key=costs.__getitem__)
        fit = (candidates[index] for index in in_order)
        return next((one for one in fit if one.active < math.ceil(share * one.weight)), best)

    def _best(self, candidates: Sequence[Candidate], key: str) -> int:
        costs = self._costs(candidates, key)
        return costs.index(min(costs))

    def _costs(self, candidates: Sequence[Candidate], key: str) -> list[float]:
        hashed = _hash64(key)
        seeds = self._seeds
        return [_cost(hashed ^ seeds[candidate], candidate.weight) for candidate in candidates]


@policy("ip_hash", "ip_hashing")
class IpHash(_Hashing):
    """The key is the client's address."""


@policy("header_hash", "header_hashing")
class HeaderHash(_Hashing):
    """The key is a field of the request; at L4, where there is none, the client's address."""


@policy("cookie_hash", "cookie_hashing")
class CookieHash(_Hashing):
    """The key is a cookie of the request; else as ``header_hash``."""


@policy("uri_hash", "uri_hashing")
class UriHash(_Hashing):
    """The key is the target of the request; else as ``header_hash``."""


class _Seeds(dict[Candidate, int]):
    """What each candidate brings into its scores: a hash of its address, worked out once."""

    def __missing__(self, candidate: Candidate) -> int:
        seed = self[candidate] = _hash64(str(candidate.address))
        return seed


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _cost(bits: int, weight: int) -> float:
    """An exponential variable whose rate is the weight: the smallest of them wins in proportion."""
    return -math.log((_mix(bits) + 1) / (_MASK + 2)) / weight


def _mix(value: int) -> int:
    """Spread 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
