"""Policies of the user's own: ``algorithm = package.module:factory``.

What lives here: finding the factory, and the guard around what it makes.
What must not: any policy.
Invariant: whatever a user's policy does, a pick returns one of the candidates: a fault in it fails no request.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

from deston.balancer.policies.base import AnyCandidate, Candidate, Policy
from deston.balancer.policies.round_robin import WeightedRoundRobin
from deston.loading import load_object
from deston.repeats import seldom

log = logging.getLogger("deston.policy")

Pick = Callable[[Sequence[Any], str], Any]


def is_own(name: str) -> bool:
    """Whether an algorithm names a factory rather than a policy of Deston's."""
    return ":" in name


def create_own_policy(name: str) -> Policy:
    """What the factory ``package.module:factory`` makes, under guard.

    That is a policy, any object with a method ``pick``, or a function of the candidates and the key. Raises
    ``StartError`` where there is no such factory, or it fails.
    """
    policy: Policy = load_object(name, "policy", lambda factory: GuardedPolicy(name, factory()))
    return policy


class GuardedPolicy(Policy):
    """A user's policy; where it fails, candidates take turns by weight instead."""

    def __init__(self, name: str, policy: Any) -> None:
        pick = getattr(policy, "pick", policy)
        if not callable(pick):
            raise TypeError("it is neither a policy nor a function")
        self.name = name
        #: How often it failed.
        self.failures = 0
        self._pick: Pick = pick
        self._prepare = getattr(policy, "prepare", None)
        self._observe = getattr(policy, "observe", None)
        self.learns = self._observe is not None
        self._instead = WeightedRoundRobin()
        super().__init__(random.Random())

    def prepare(self, candidates: Sequence[Candidate]) -> None:
        self._instead.prepare(candidates)
        if self._prepare is not None:
            try:
                self._prepare(candidates)
            except (Exception, SystemExit) as error:
                self._fail(error)

    def observe(self, candidate: Candidate, seconds: float) -> None:
        if self._observe is not None:
            try:
                self._observe(candidate, seconds)
            except (Exception, SystemExit) as error:
                self._fail(error)

    def pick(self, candidates: Sequence[AnyCandidate], key: str) -> AnyCandidate:
        try:
            picked: AnyCandidate = self._pick(candidates, key)
            if picked in candidates:
                return picked
            self._fail(ValueError(f"it picked {picked!r}, which is none of the candidates"))
        except (Exception, SystemExit) as error:
            self._fail(error)
        return self._instead.pick(candidates, key)

    def _fail(self, error: BaseException) -> None:
        self.failures += 1
        seldom(log, logging.ERROR, "the policy %s failed, and turns are taken instead", self.name, error=error)
