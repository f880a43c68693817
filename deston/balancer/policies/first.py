"""One after the other: ``first``.

Invariant: a candidate is picked only where none before it in the file can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from deston.balancer.policies.base import AnyCandidate, Policy, policy


@policy("first")
class First(Policy):
    """The first candidate in the order of the file; the next one when that has as many as it may have.

    So that the fewest servers are busy, and the others can be switched off (HAProxy's ``first``).
    """

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        return candidates[0]
