"""Chance: ``random`` and ``two_choices``.

Invariant: the chance of a candidate to be drawn is its weight's share of the weights that are drawn among.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy, policy


class _Draw(Policy):
    """Weighted drawing with the running sums of the prepared candidates at hand."""

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        self._prepared = candidates, _running_sums(candidates)

    def _sums(self, candidates: Sequence[Candidate]) -> Sequence[int]:
        prepared, sums = self._prepared
        return sums if candidates is prepared else _running_sums(candidates)

    def _below(self, end: int) -> int:
        """Draw an integer from 0 up to but not including ``end``; thrice as fast as ``randrange``."""
        return int(self.rng.random() * end)


def _running_sums(candidates: Sequence[Candidate]) -> Sequence[int]:
    return tuple(accumulate(candidate.weight for candidate in candidates))


@policy("random")
class Random(_Draw):
    """A candidate by chance, in proportion to its weight."""

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        sums = self._sums(candidates)
        return candidates[bisect(sums, self._below(sums[-1]))]


@policy("two_choices", "p2c")
class TwoChoices(_Draw):
    """The less busy for its weight of two different ones that are drawn by chance; the first drawn if equal.

    Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001: nearly as even as looking at
    all, at the cost of two, and without the herd that runs to the one that looked best.
    """

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        if len(candidates) == 1:
            return candidates[0]
        first, second = self._draw_two(candidates)
        return second if second.active * first.weight < first.active * second.weight else first

    def _draw_two(self, candidates: Sequence[AnyCandidate]) -> tuple[AnyCandidate, AnyCandidate]:
        """Two different ones, by weight; there are at least two."""
        sums = self._sums(candidates)
        one = bisect(sums, self._below(sums[-1]))
        return candidates[one], candidates[self._draw_other(sums, one)]

    def _draw_other(self, sums: Sequence[int], one: int) -> int:
        """Draw among all but the one at index ``one``, by leaving its stretch of the sums out."""
        begin = sums[one - 1] if one else 0
        stretch = sums[one] - begin
        point = self._below(sums[-1] - stretch)
        return bisect(sums, point if point < begin else point + stretch)
