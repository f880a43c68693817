"""The contract of every registered policy, whoever wrote it.

A policy that joins the registry is tested here without a further line; what only one policy promises stands in
``tests/unit/balancer/policies``.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.policies import Policy, create_policy, known_policies
from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.model import AdminState
from deston.errors import NoServerAvailable
from tests.builders import make_pool, make_server_configs, make_servers
from tests.properties import chances, unhurried
from tests.shares import ScriptedRandom, client_keys, count_picks, fits_weights

SEED = 20260511
# Policies that promise not to look at weights; every other one shares in proportion to them.
DEAF_TO_WEIGHT = {"round_robin"}
# Policies that promise not to share at all.
ONE_BY_ONE = {"first"}

pytestmark = pytest.mark.parametrize("name", known_policies())

weights = st.lists(st.integers(1, 1000), min_size=1, max_size=12)


def seeded(name: str) -> Policy:
    return create_policy(name, rng=random.Random(SEED))


def pool_of(name: str, *weights: int, **changes: Any) -> Pool:
    return make_pool(*make_server_configs(*weights, **changes), algorithm=name, rng=random.Random(SEED))


def shares_as(name: str, counts: Counter[str], candidates: Sequence[Server]) -> bool:
    """Whether idle candidates were picked as often as the policy promises."""
    if name in ONE_BY_ONE:
        return set(counts) == {candidates[0].name}
    if name in DEAF_TO_WEIGHT:
        expected = sum(counts.values()) / len(candidates)
        return all(abs(counts[one.name] - expected) <= 1 for one in candidates)
    return fits_weights(counts, candidates)


def one_lease(pool: Pool, key: str) -> Server:
    with pool.lease(key) as lease:
        return lease.server


def test_one_candidate_is_picked_always(name: str) -> None:
    """Where there is one candidate, every client gets it."""
    pool = pool_of(name, 3)
    assert {pool.pick(key) for key in client_keys(50)} == set(pool.servers)


def test_equal_candidates_share_evenly(name: str) -> None:
    """Candidates of the same weight and load share the clients evenly."""
    pool = pool_of(name, 1, 1, 1, 1, 1)
    counts = count_picks(lambda key: one_lease(pool, key), client_keys(5000))
    assert shares_as(name, counts, pool.servers), counts


def test_weights_set_the_shares(name: str) -> None:
    """Idle candidates share by weight, or, where a policy does not look at weights, evenly."""
    pool = pool_of(name, 5, 3, 1, 1)
    counts = count_picks(lambda key: one_lease(pool, key), client_keys(5000))
    assert shares_as(name, counts, pool.servers), counts


def test_weights_set_the_shares_of_what_an_exclusion_leaves(name: str) -> None:
    """The candidates left after an exclusion share by the same rule as all."""
    pool = pool_of(name, 4, 2, 1, 1)
    excluded = pool.servers[:1]
    counts = count_picks(lambda key: pool.pick(key, excluded), client_keys(4000))
    assert shares_as(name, counts, pool.servers[1:]), counts


def test_what_is_excluded_is_not_picked(name: str) -> None:
    """Any exclusion that leaves somebody is kept to."""
    pool = pool_of(name, 3, 1, 2, 1)
    for index in (1, 2, 3):
        picked = {pool.pick(key, pool.servers[:index]) for key in client_keys(50)}
        assert picked <= set(pool.servers[index:])


def test_a_server_that_goes_down_is_left_out_and_comes_back(name: str) -> None:
    """A flip takes a server out of the picks, and the next one brings it back to its share."""
    pool = pool_of(name, 1, 1, 1)
    gone = pool.servers[1]
    gone.health = Health.DOWN
    pool.refresh()
    left = {pool.servers[0]} if name in ONE_BY_ONE else {pool.servers[0], pool.servers[2]}
    assert {pool.pick(key) for key in client_keys(200)} == left
    gone.health = Health.UP
    pool.refresh()
    counts = count_picks(lambda key: one_lease(pool, key), client_keys(3000))
    assert shares_as(name, counts, pool.servers), counts


@given(weights=weights, data=st.data())
@unhurried
def test_a_pick_is_one_of_what_was_given(name: str, weights: list[int], data: st.DataObject) -> None:
    """Whatever the candidates, the key and the chance are, one of them is picked, prepared for or not."""
    servers = make_servers(*weights)
    for server in servers:
        server.active = data.draw(st.integers(0, 5))
    policy = create_policy(name, rng=ScriptedRandom(data.draw(st.lists(chances, min_size=1))))
    prepared = data.draw(st.sampled_from([None, (), servers, servers[:1], make_servers(7, 7)]))
    if prepared is not None:
        policy.prepare(prepared)
    key = data.draw(st.text(max_size=40))
    for _ in range(5):
        assert policy.pick(servers, key) in servers


@given(weights=weights, data=st.data())
@unhurried
def test_candidates_change_from_pick_to_pick(name: str, weights: list[int], data: st.DataObject) -> None:
    """A policy that is prepared for some candidates takes any others in between, and is not confused by them."""
    servers = make_servers(*weights)
    policy = seeded(name)
    policy.prepare(servers)
    subsets = st.lists(st.sampled_from(servers), min_size=1, unique=True).map(tuple)
    for candidates in data.draw(st.lists(st.one_of(st.just(servers), subsets), max_size=20)):
        assert policy.pick(candidates, "10.0.0.1") in candidates


def test_a_pick_changes_no_candidate(name: str) -> None:
    """A policy decides and does not count: leases do."""
    servers = make_servers(2, 1)
    policy = seeded(name)
    policy.prepare(servers)
    for key in client_keys(20):
        policy.pick(servers, key)
    assert [(one.active, one.total, one.weight) for one in servers] == [(0, 0, 2), (0, 0, 1)]


def test_the_same_randomness_makes_the_same_picks(name: str) -> None:
    """Two policies with the same seed, asked the same, answer the same."""
    servers = make_servers(3, 1, 2, 5)
    policies = seeded(name), seeded(name)
    for policy in policies:
        policy.prepare(servers)
    first, second = ([policy.pick(servers, key).name for key in client_keys(300)] for policy in policies)
    assert first == second


def test_a_new_weight_holds_from_the_next_refresh(name: str) -> None:
    """Preparing again forgets what was computed for the old weights."""
    pool = pool_of(name, 1, 1)
    for key in client_keys(100):
        pool.pick(key)
    pool.servers[0].base_weight = 4
    pool.refresh()
    counts = count_picks(lambda key: one_lease(pool, key), client_keys(5000))
    assert shares_as(name, counts, pool.servers), counts


def test_nobody_loses_turns_to_a_server_that_refuses(name: str) -> None:
    """While one of three equal servers refuses, the retries share its clients between the other two."""
    pool = pool_of(name, 1, 1, 1)
    refusing = pool.servers[1]

    def served(key: str) -> Server:
        first = pool.pick(key)
        return first if first is not refusing else pool.pick(key, (first,))

    counts = count_picks(served, client_keys(3000))
    assert shares_as(name, counts, (pool.servers[0], pool.servers[2])), counts


def test_an_empty_pool_says_so(name: str) -> None:
    """No policy is asked to pick among nobody: the pool raises first."""
    with pytest.raises(NoServerAvailable):
        pool_of(name).pick("10.0.0.1")
    with pytest.raises(NoServerAvailable):
        pool_of(name, 1, 1, state=AdminState.DRAIN).pick("10.0.0.1")


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried_threads")
def test_ten_thousand_leases_on_threads_end_at_zero(name: str) -> None:
    """Threads that lease while a server flips raise nothing, lose no count and leave nobody active."""
    pool = pool_of(name, 5, 1, 1, 2)
    raised: list[Exception] = []
    together = threading.Barrier(9)

    def lease_often(keys: list[str]) -> None:
        together.wait()
        try:
            for key in keys:
                with pool.lease(key, pool.servers[:1] if key.endswith("7") else ()):
                    pass
        except Exception as error:  # The test must hear of it from the thread.
            raised.append(error)

    keys = client_keys(10_000)
    threads = [threading.Thread(target=lease_often, args=(keys[index::8],)) for index in range(8)]
    for thread in threads:
        thread.start()
    together.wait()
    while any(thread.is_alive() for thread in threads):
        pool.servers[3].health = Health.DOWN if pool.servers[3].usable else Health.UP
        pool.refresh()
    for thread in threads:
        thread.join()
    assert raised == []
    assert [one.active for one in pool.servers] == [0, 0, 0, 0]
    assert sum(one.total for one in pool.servers) == 10_000
