from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.policies import create_policy
from deston.balancer.pool import Lease, Pool
from deston.balancer.server import Server
from tests.builders import make_pool, make_server_configs, make_servers
from tests.properties import unhurried

loaded = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3000)), min_size=1, max_size=12)


def load(server: Server) -> Fraction:
    return Fraction(server.active, server.weight)


def pool_with(*active: int, weights: tuple[int, ...] = (1, 1, 1)) -> Pool:
    pool = make_pool(*make_server_configs(*weights), algorithm="least_connections")
    for server, count in zip(pool.servers, active, strict=True):
        server.active = count
    return pool


@given(loads=loaded, is_prepared=st.booleans(), before=st.integers(0, 10))
@unhurried
def test_nobody_is_less_busy_than_who_is_picked(loads: list[tuple[int, int]], is_prepared: bool, before: int) -> None:
    """However the servers are loaded, no other has fewer leases for its weight; in exact arithmetic."""
    servers = make_servers(*(weight for weight, _ in loads))
    policy = create_policy("least_connections")
    if is_prepared:
        policy.prepare(servers)
    for _ in range(before):
        policy.pick(servers, "")
    for server, (_, active) in zip(servers, loads, strict=True):
        server.active = active
    for _ in range(5):
        assert load(policy.pick(servers, "")) == min(map(load, servers))


def test_descending_loads_are_levelled() -> None:
    """With 30, 20 and 10 leases the last gets ten, then the last two ten each, then all get some."""
    pool = pool_with(30, 20, 10)
    picked = [pool.lease("").server.name for _ in range(36)]
    assert picked[:10] == ["c"] * 10
    assert Counter(picked[10:30]) == {"b": 10, "c": 10}
    assert Counter(picked[30:]) == {"a": 2, "b": 2, "c": 2}


def test_the_least_is_found_wherever_it_is() -> None:
    """First, middle or last: the place in the file makes no difference."""
    for place, name in enumerate("abc"):
        active = [7, 7, 7]
        active[place] = 6
        assert pool_with(*active).pick("").name == name


def test_a_load_is_for_a_weight() -> None:
    """Four leases on weight 5 are less than one on weight 1."""
    assert pool_with(4, 1, 1, weights=(5, 1, 1)).pick("").name == "a"
    assert pool_with(6, 1, 2, weights=(5, 1, 1)).pick("").name == "b"


@pytest.mark.parametrize("active", [0, 2])
def test_equals_take_turns_by_weight(active: int) -> None:
    """While all are as busy as each other, idle or not, they are picked in turn and in their shares."""
    weights = 5, 1, 1
    pool = pool_with(*(weight * active for weight in weights), weights=weights)
    assert Counter(pool.pick("").name for _ in range(70)) == {"a": 50, "b": 10, "c": 10}


def test_the_equals_among_others_take_turns() -> None:
    """Where some are busier, the rest share evenly, and nobody of them waits for long."""
    pool = pool_with(3, 2, 3, 2, weights=(1, 1, 1, 1))
    assert [pool.pick("").name for _ in range(6)] == ["b", "d", "b", "d", "b", "d"]
    pool = pool_with(0, 1, 0, 1, weights=(1, 1, 1, 1))
    assert Counter(pool.pick("").name for _ in range(60)) == {"a": 30, "c": 30}


def test_clients_that_stay_are_spread_by_weight() -> None:
    """Leases that are not released stand in exact shares whenever they can."""
    pool = pool_with(0, 0, 0, weights=(5, 3, 2))
    for _ in range(40):
        pool.lease("")
    assert [server.active for server in pool.servers] == [20, 12, 8]


@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=6), steps=st.lists(st.integers(-8, 8), max_size=80))
@unhurried
def test_loads_stay_close_as_clients_come(weights: list[int], steps: list[int]) -> None:
    """When a client comes, its server has no more than one lease above any other's load, come and go as they may."""
    pool = make_pool(*make_server_configs(*weights), algorithm="least_connections")
    leases: list[Lease] = []
    for step in steps:
        if step < 0 and leases:
            leases.pop(step % len(leases)).release()
            continue
        lease = pool.lease("")
        leases.append(lease)
        server = lease.server
        assert all(Fraction(server.active - 1, server.weight) <= load(other) for other in pool.servers)
