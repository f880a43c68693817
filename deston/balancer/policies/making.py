"""The policy of a pool, by its configuration.

What lives here: which keys of a pool its policy is made with.
What must not: the policies.
Invariant: every ``algorithm`` that a configuration may have is made here.
"""

from __future__ import annotations

import random
from typing import Any

from deston.balancer.policies.base import Policy, create_policy
from deston.balancer.policies.own import create_own_policy, is_own
from deston.config.model import PoolConfig


def make_policy(config: PoolConfig, rng: random.Random | None = None) -> Policy:
    """A new policy for a pool; raises ``StartError`` for one of the user's own that cannot be made."""
    if is_own(config.algorithm):
        return create_own_policy(config.algorithm)
    arguments: dict[str, Any] = {"rng": rng}
    if config.hash_balance_factor:
        arguments["balance_factor"] = config.hash_balance_factor
    return create_policy(config.algorithm, **arguments)
