from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.policies import Policy, create_policy
from deston.balancer.policies.round_robin import LONGEST_RECORDED_PERIOD
from deston.balancer.server import Server
from tests.builders import make_pool, make_server_configs, make_servers
from tests.properties import unhurried
from tests.shares import exact_shares

many_weights = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def prepared(name: str, candidates: Sequence[Server]) -> Policy:
    policy = create_policy(name)
    policy.prepare(candidates)
    return policy


def picks(policy: Policy, candidates: Sequence[Server], count: int) -> list[str]:
    return [policy.pick(candidates, "10.0.0.1").name for _ in range(count)]


def nginx_sequence(weights: Iterable[int], count: int) -> list[int]:
    """The smooth algorithm word for word as nginx's commit 52327e0 describes it, to compare with."""
    effective = list(weights)
    current = [0] * len(effective)
    sequence = []
    for _ in range(count):
        current = [value + weight for value, weight in zip(current, effective, strict=True)]
        best = current.index(max(current))
        current[best] -= sum(effective)
        sequence.append(best)
    return sequence


def period_of(weights: list[int]) -> int:
    return sum(weights) // math.gcd(*weights)


def test_round_robin_goes_round_exactly() -> None:
    """Every candidate in the order of the file, whatever its weight, again and again."""
    servers = make_servers(9, 1, 4)
    assert picks(prepared("round_robin", servers), servers, 7) == ["a", "b", "c", "a", "b", "c", "a"]


def test_round_robin_keeps_its_turns_through_exclusions() -> None:
    """Picks among what an exclusion leaves go round on their own and disturb nobody's turn."""
    pool = make_pool(*make_server_configs(1, 1, 1), algorithm="round_robin")
    undisturbed, of_rest = [], []
    for _ in range(6):
        undisturbed.append(pool.pick("").name)
        of_rest.append(pool.pick("", pool.servers[1:2]).name)
    assert undisturbed == ["a", "b", "c", "a", "b", "c"]
    assert of_rest == ["a", "c", "a", "c", "a", "c"]


def test_round_robin_goes_on_where_it_was_after_a_flip() -> None:
    """A changed set of candidates does not send everybody back to the first of them."""
    pool = make_pool(*make_server_configs(1, 1, 1), algorithm="round_robin")
    assert [pool.pick("").name, pool.pick("").name] == ["a", "b"]
    pool.refresh()
    assert pool.pick("").name == "c"


def test_weights_5_1_1_give_the_published_sequence() -> None:
    """The smooth sequence that nginx publishes for its algorithm, twice through."""
    servers = make_servers(5, 1, 1)
    assert "".join(picks(prepared("weighted_round_robin", servers), servers, 14)) == "aabacaa" * 2


def test_weights_5_1_1_share_700_picks_exactly() -> None:
    """Over 700 picks, 5:1:1 is 500, 100 and 100."""
    servers = make_servers(5, 1, 1)
    counts = Counter(picks(prepared("wrr", servers), servers, 700))
    assert counts == {"a": 500, "b": 100, "c": 100}


@given(weights=many_weights)
@unhurried
def test_any_weights_give_the_sequence_of_nginx(weights: list[int]) -> None:
    """Recorded and replayed picks are those of the algorithm itself, through three periods."""
    servers = make_servers(*weights)
    expected = nginx_sequence(weights, 3 * period_of(weights))
    policy = prepared("wrr", servers)
    assert [servers.index(policy.pick(servers, "")) for _ in expected] == expected


@given(weights=many_weights)
@unhurried
def test_any_candidates_unprepared_give_the_sequence_of_nginx(weights: list[int]) -> None:
    """Without preparation the picks are the same; they only cost more."""
    servers = make_servers(*weights)
    expected = nginx_sequence(weights, 2 * period_of(weights))
    policy = create_policy("wrr")
    assert [servers.index(policy.pick(servers, "")) for _ in expected] == expected


@given(weights=many_weights)
@unhurried
def test_every_period_holds_the_exact_shares(weights: list[int]) -> None:
    """Over each period every candidate gets exactly its share: when it is recorded and when it is replayed."""
    servers, period = make_servers(*weights), period_of(weights)
    policy = prepared("wrr", servers)
    for _ in range(3):
        assert Counter(picks(policy, servers, period)) == exact_shares(servers, period)


@given(weights=many_weights, periods=st.integers(0, 2))
@unhurried
def test_nobody_is_far_from_its_share_at_any_time(weights: list[int], periods: int) -> None:
    """After any number of picks a candidate is less than one pick ahead of its share, and at most H(n) - 1 behind.

    Credits sum to zero after each pick. Who is picked has the most, so more than nothing, and pays one sum W: no
    credit is ever as low as -W, and nobody is a whole pick ahead. For any k candidates the credits sum to at most
    W * k * (1/(k+1) + ... + 1/n), by induction: all gain W; if the richest is among the k, they pay it back; if
    not, they hold at most k/(k+1) of what they and the richest hold. With k = 1 nobody is behind by more than
    1/2 + ... + 1/n picks.
    """
    servers, period = make_servers(*weights), period_of(weights)
    policy = prepared("wrr", servers)
    picks(policy, servers, periods * period)
    behind = sum((Fraction(1, place) for place in range(2, len(weights) + 1)), Fraction())
    counts: Counter[str] = Counter()
    for so_far in range(1, period + 1):
        counts[policy.pick(servers, "").name] += 1
        for server in servers:
            share = Fraction(so_far * server.weight, sum(weights))
            assert share - behind <= counts[server.name] < share + 1


@given(weights=many_weights)
@unhurried
def test_nobody_waits_long_for_its_turn(weights: list[int]) -> None:
    """From one turn of a candidate to its next there are at most H(n) * W / weight picks, rounded up.

    After its turn a candidate's credit is above -W and grows by its weight with each pick that passes it by, until
    at most W * (H(n) - 1); see the test above.
    """
    servers, total = make_servers(*weights), sum(weights)
    harmonic = sum((Fraction(1, place) for place in range(1, len(weights) + 1)), Fraction())
    sequence = picks(prepared("wrr", servers), servers, 3 * period_of(weights))
    for server in servers:
        turns = [index for index, name in enumerate(sequence) if name == server.name]
        longest = max(later - earlier for earlier, later in zip(turns, turns[1:], strict=False))
        assert longest <= math.ceil(harmonic * total / server.weight)


@given(weights=st.lists(st.integers(1, 12), min_size=2, max_size=6), seed=st.integers())
@unhurried
def test_exclusions_leave_the_sequence_as_it_is(weights: list[int], seed: int) -> None:
    """Picks after an exclusion, wherever they fall, do not move the sequence of the others."""
    pool = make_pool(*make_server_configs(*weights), algorithm="wrr")
    expected = nginx_sequence(weights, 2 * period_of(weights))
    chance, picked = random.Random(seed), []
    for _ in expected:
        pool.pick("", chance.sample(pool.servers, chance.randrange(1, len(weights))))
        picked.append(pool.servers.index(pool.pick("")))
    assert picked == expected


def test_a_period_too_long_to_record_is_exact_as_well() -> None:
    """Beyond what is recorded the shares over a period, and over the next one, are exact all the same."""
    servers = make_servers(LONGEST_RECORDED_PERIOD, 700, 1)
    policy = prepared("wrr", servers)
    for _ in range(2):
        counts = Counter(policy.pick(servers, "").name for _ in range(LONGEST_RECORDED_PERIOD + 701))
        assert counts == {"a": LONGEST_RECORDED_PERIOD, "b": 700, "c": 1}


@pytest.mark.parametrize("weights", [(100, 100, 100), (600, 200, 200)])
def test_a_common_factor_makes_the_period_no_longer(weights: tuple[int, ...]) -> None:
    """Weights in hundreds take turns as their smallest form does."""
    servers, period = make_servers(*weights), period_of(list(weights))
    assert Counter(picks(prepared("wrr", servers), servers, period)) == exact_shares(servers, period)
