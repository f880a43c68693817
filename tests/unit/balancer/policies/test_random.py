from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.policies import create_policy
from deston.balancer.server import Server
from tests.builders import make_pool, make_server_configs, make_servers
from tests.properties import chances, unhurried
from tests.shares import ScriptedRandom, client_keys, count_picks, fits_weights

SEED = 20260511


def load(server: Server) -> Fraction:
    return Fraction(server.active, server.weight)


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1, 1, 1), (5, 3, 1, 1), (100, 1), (7,) * 20])
@pytest.mark.parametrize("excluded", [0, 1])
def test_random_shares_by_weight(weights: tuple[int, ...], excluded: int) -> None:
    """Each candidate is drawn in proportion to its weight, after an exclusion as well."""
    pool = make_pool(*make_server_configs(2, *weights), algorithm="random", rng=random.Random(SEED))
    candidates = pool.servers[excluded:]
    counts = count_picks(lambda key: pool.pick(key, pool.servers[:excluded]), client_keys(20_000))
    assert fits_weights(counts, candidates), counts


@pytest.mark.parametrize(
    ("chance", "name"),
    [(0.0, "a"), (0.49, "a"), (0.5, "b"), (0.74, "b"), (0.75, "c"), (1 - 2**-53, "c")],
)
def test_random_maps_chance_to_weights_in_order(chance: float, name: str) -> None:
    """From 0 to 1, each candidate has a stretch as wide as its weight."""
    servers = make_servers(2, 1, 1)
    assert create_policy("random", rng=ScriptedRandom([chance])).pick(servers, "").name == name


@pytest.mark.parametrize(
    ("chances", "first", "second"),
    [
        ((0.0, 0.0), "a", "b"),
        ((0.0, 0.99), "a", "c"),
        ((0.6, 0.0), "b", "a"),
        ((0.6, 0.6), "b", "a"),
        ((0.6, 0.7), "b", "c"),
        ((0.9, 0.6), "c", "a"),
        ((0.9, 0.7), "c", "b"),
    ],
)
def test_two_choices_picks_the_less_busy_of_two_different_ones(
    chances: tuple[float, float], first: str, second: str
) -> None:
    """Who is drawn second is drawn among the others, and the less busy of the two is picked, either way round."""
    for busy, idle in ((first, second), (second, first)):
        servers = {server.name: server for server in make_servers(2, 1, 1)}
        servers[busy].active = 9
        policy = create_policy("two_choices", rng=ScriptedRandom(chances))
        assert policy.pick(tuple(servers.values()), "").name == idle


def test_two_choices_prefers_the_first_drawn_of_equals() -> None:
    """Equal loads leave the choice to chance by weight."""
    servers = make_servers(2, 1, 1)
    assert create_policy("two_choices", rng=ScriptedRandom([0.6, 0.0])).pick(servers, "").name == "b"


def test_two_choices_compares_loads_for_their_weights() -> None:
    """Four leases on weight 5 are less than one on weight 1."""
    servers = make_servers(5, 1)
    servers[0].active, servers[1].active = 4, 1
    policy = create_policy("two_choices", rng=random.Random(SEED))
    assert {policy.pick(servers, "").name for _ in range(50)} == {"a"}


@given(
    loads=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3000)), min_size=2, max_size=10),
    drawn=st.lists(chances, min_size=2, max_size=10),
)
@unhurried
def test_two_choices_never_picks_the_busiest(loads: list[tuple[int, int]], drawn: list[float]) -> None:
    """Two different ones are compared, so that a candidate busier than all others is never picked."""
    servers = make_servers(*(weight for weight, _ in loads))
    for server, (_, active) in zip(servers, loads, strict=True):
        server.active = active
    policy = create_policy("two_choices", rng=ScriptedRandom(drawn))
    busiest = max(map(load, servers))
    if sum(load(server) == busiest for server in servers) == 1:
        assert load(policy.pick(servers, "")) < busiest


def test_two_choices_of_two_is_the_less_busy_of_them() -> None:
    """In a pool of two both are compared each time, so that leases that stay are even."""
    pool = make_pool(*make_server_configs(1, 1), algorithm="two_choices", rng=random.Random(SEED))
    for _ in range(100):
        pool.lease("")
    assert [server.active for server in pool.servers] == [50, 50]


def test_two_choices_keeps_many_servers_nearly_even() -> None:
    """Of 50 servers with 20 leases each on average none strays by more than a few: the power of two choices."""
    pool = make_pool(*make_server_configs(*[1] * 50), algorithm="two_choices", rng=random.Random(SEED))
    for _ in range(1000):
        pool.lease("")
    active = [server.active for server in pool.servers]
    assert max(active) <= 22
    assert min(active) >= 16
