"""The policy of a pool, by its configuration.

What lives here: which keys of a pool its policy is made with.
What must not: the policies.
Invariant: every ``algorithm`` that a configuration may have is made here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from deston.balancer.policies.base import Policy, create_policy
from deston.balancer.policies.own import create_own_policy, is_own
from deston.config.model import PoolConfig

# The policies that look at a clock.
_TIMED = frozenset({"least_latency"})


def make_policy(
    config: PoolConfig, rng: random.Random | None = None, clock: Callable[[], float] | None = None
) -> Policy:
    """A new policy for a pool; raises ``StartError`` for one of the user's own that cannot be made.

    ``clock`` gives seconds to those policies that look at a clock; it is the machine's if left out. One of the user's
    own gets neither ``rng`` nor ``clock``.
    """
    if is_own(config.algorithm):
        return create_own_policy(config.algorithm)
    arguments: dict[str, Any] = {"rng": rng}
    if config.hash_balance_factor:
        arguments["balance_factor"] = config.hash_balance_factor
    if clock is not None and config.algorithm in _TIMED:
        arguments["clock"] = clock
    return create_policy(config.algorithm, **arguments)
