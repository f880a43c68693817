from __future__ import annotations

import random

import pytest

from deston.balancer.policies import make_policy
from deston.balancer.policies.least_latency import LeastLatency
from deston.config.algorithms import ALGORITHMS
from tests.builders import make_pool_config


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_policy_is_made_with_chance_and_a_clock(algorithm: str) -> None:
    """Whether it looks at them or not."""
    rng = random.Random(1)
    assert make_policy(make_pool_config(algorithm=algorithm), rng, lambda: 0.0).rng is rng


def test_a_clock_is_given_to_the_policy_that_looks_at_one() -> None:
    """So that it can live in a time that is not the machine's."""
    policy = make_policy(make_pool_config(algorithm="least_latency"), clock=lambda: 42.0)
    assert isinstance(policy, LeastLatency)
    assert policy._clock() == 42.0
