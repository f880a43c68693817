"""The run against queueing theory, against the rules of the pool, and against itself."""

from __future__ import annotations

import math
import statistics

import pytest

from deston.simulate.disturbances import Disturbance, Kind
from deston.simulate.scenario import Scenario, living_pool
from tests.unit.simulate.builders import Scripted, make_arrivals, make_scenario, simulate

ONE_SERVER = make_scenario(1)
TEN = make_scenario(*[1] * 10)


def kill(server: str, at: float) -> Disturbance:
    return Disturbance(Kind.KILL, server, at)


# --- against theory, with a service time of 20 ms on average


def means(scenario: Scenario, rate: float, service_time: str = "exp:20ms") -> tuple[float, float]:
    """Mean response time and wait in seconds over four runs: what one run waits for depends on the next ones."""
    runs = [simulate(scenario, "random", make_arrivals(rate, 50_000, service_time, seed=seed)) for seed in range(4)]
    return statistics.fmean(one.latency.mean for one in runs), statistics.fmean(one.waiting.mean for one in runs)


def test_one_server_is_m_m_1() -> None:
    """The mean response time is s / (1 - load), at load 0.6."""
    assert means(ONE_SERVER, 30)[0] == pytest.approx(0.05, rel=0.02)


def test_its_response_times_are_exponential() -> None:
    """So that their median is their mean times ln 2, and the server is busy for the load's share of the time."""
    result = simulate(ONE_SERVER, "random", make_arrivals(30, 50_000))
    assert result.latency.percentile(50) == pytest.approx(result.latency.mean * math.log(2), rel=0.03)
    assert result.servers[0].busy == pytest.approx(0.6, rel=0.03)


def test_with_a_constant_service_time_it_is_m_d_1() -> None:
    """One waits half as long: s * load / 2 (1 - load) (Pollaczek and Khinchine)."""
    assert means(ONE_SERVER, 30, "20ms")[1] == pytest.approx(0.015, rel=0.02)


def test_with_two_hands_it_is_m_m_2() -> None:
    """The mean response time is s / (1 - load squared)."""
    assert means(make_scenario(1, concurrency=(2,)), 60)[0] == pytest.approx(0.02 / (1 - 0.36), rel=0.02)


def test_by_chance_each_of_ten_servers_is_m_m_1() -> None:
    """A Poisson process that is split by chance is ten of them."""
    result = simulate(TEN, "random", make_arrivals(300, 100_000))
    assert result.latency.mean == pytest.approx(0.05, rel=0.04)


def test_the_pools_queue_makes_ten_servers_one_m_m_10() -> None:
    """With one lease each, nobody waits while a server is idle: at load 0.8 the wait of Erlang C is 0.409 * s / 2."""
    scenario = make_scenario(*[1] * 10, keys={"max_connections": "1", "queue": "100000", "queue_timeout": "1h"})
    result = simulate(scenario, "least_connections", make_arrivals(400, 100_000))
    assert result.waiting.mean == pytest.approx(0.4092 * 0.02 / 2, rel=0.08)
    assert result.queued.sum == pytest.approx(result.waiting.sum)
    assert result.refused == 0


def test_the_more_a_policy_looks_at_the_less_requests_wait() -> None:
    """All: better than two: better than turns or chance alone (Mitzenmacher, 2001)."""
    arrivals = make_arrivals(400, 30_000)
    waits = [
        simulate(TEN, name, arrivals).waiting.mean
        for name in ("least_connections", "two_choices", "round_robin", "random")
    ]
    assert waits == sorted(waits)
    assert waits[1] < waits[3] / 3


# --- shares and clients


def test_weights_are_heeded() -> None:
    """A server of weight 3 gets three quarters."""
    result = simulate(make_scenario(3, 1), "weighted_round_robin", make_arrivals(10, 4000))
    assert [one.served for one in result.servers] == [3000, 1000]
    assert [one.share for one in result.servers] == [0.75, 0.25]
    assert result.over_even == [1.0, 1.0]


def test_a_server_of_no_weight_has_no_clients() -> None:
    """As with real ones."""
    result = simulate(make_scenario(1, 0), "round_robin", make_arrivals(10, 100))
    assert [one.served for one in result.servers] == [100, 0]
    assert result.over_even == [1.0, 0.0]


def test_the_same_seed_is_the_same_run() -> None:
    """Every figure, with every policy that draws by chance, and with servers that die."""
    arrivals = make_arrivals(300, 5000)
    for algorithm in ("random", "two_choices", "least_latency"):
        runs = []
        for seed in (1, 1, 2):
            scenario = make_scenario(*[1] * 10, seed=seed, disturbances=(kill("a", 5.0),))
            runs.append(simulate(scenario, algorithm, arrivals).as_json())
        assert runs[0] == runs[1] != runs[2]


def test_clients_that_are_hashed_stay() -> None:
    """None moves, however many requests it has; with turns nearly all do."""
    arrivals = make_arrivals(300, 5000, clients=50)
    assert simulate(TEN, "ip_hash", arrivals).moves == 0
    result = simulate(TEN, "round_robin", arrivals)
    assert (result.clients, result.moved) == (50, 50)
    assert result.moves > 4000


def test_affinity_keeps_clients_that_are_not_hashed() -> None:
    """As the cookie does; those of a server that died move once."""
    arrivals = make_arrivals(300, 5000, "1ms", clients=50)
    assert simulate(make_scenario(*[1] * 10, affinity=True), "random", arrivals).moves == 0
    scenario = make_scenario(*[1] * 10, affinity=True, disturbances=(kill("a", 8.0),))
    result = simulate(scenario, "random", arrivals)
    assert 0 < result.moves == result.moved < 15


def test_a_death_moves_the_clients_of_that_server_alone() -> None:
    """Consistent hashing: all of its clients, none of the others'."""
    arrivals = make_arrivals(300, 5000, "1ms", clients=200)
    pool = living_pool(make_scenario(*[1] * 10, keys={"algorithm": "ip_hash"}).pool, 1, lambda: 0.0)
    of_a = sum(pool.pick(key).name == "a" for key in arrivals.keys)
    scenario = make_scenario(*[1] * 10, disturbances=(kill("a", 8.0),))
    result = simulate(scenario, "ip_hash", arrivals)
    assert result.moved == result.moves == of_a > 10
    assert result.failed == result.refused == 0


def test_servers_may_be_of_different_size() -> None:
    """What each can do at once is its own; weights that fit keep them equally busy."""
    scenario = make_scenario(4, 1, concurrency=(4, 1))
    result = simulate(scenario, "weighted_round_robin", make_arrivals(100, 5000, "20ms"))
    assert [one.busy for one in result.servers] == pytest.approx([0.4, 0.4], rel=0.05)


# --- what happens to servers


def test_what_a_dead_server_had_is_tried_on_another() -> None:
    """One at work and one in line, at once; what it did of them was in vain."""
    arrivals = Scripted([(0.0, 0, 1.0), (0.1, 1, 1.0), (0.2, 2, 1.0)])
    result = simulate(make_scenario(1, 1, disturbances=(kill("a", 0.5),)), "round_robin", arrivals)
    assert (result.served, result.retried, result.failed) == (3, 2, 0)
    assert [one.served for one in result.servers] == [0, 3]
    assert [one.failures for one in result.servers] == [2, 0]
    assert result.latency.longest == pytest.approx(3.1 - 0.2)
    assert result.servers[0].busy == pytest.approx(0.5 / 3.1)


def test_dials_to_a_dead_server_fail_until_it_is_marked() -> None:
    """Three of them, as with real clients; each client is served by another server nevertheless."""
    scenario = make_scenario(1, 1, 1, disturbances=(kill("a", 1.0),))
    result = simulate(scenario, "round_robin", make_arrivals(100, 200, "1ms"))
    assert result.servers[0].failures == 3
    assert (result.retried, result.failed) == (3, 0)


def test_where_no_server_is_left_requests_fail_and_are_refused() -> None:
    """What was under way fails, what comes once the pool knows is refused; all are counted."""
    arrivals = Scripted([(0.0, 0, 1.0), (1.5, 0, 1.0), (9.0, 0, 1.0)])
    result = simulate(make_scenario(1, disturbances=(kill("a", 0.5),)), "round_robin", arrivals)
    assert (result.served, result.failed, result.refused, result.seconds) == (0, 2, 1, 0.0)
    assert result.servers[0].busy == 0.0


def test_without_retries_what_fails_has_failed() -> None:
    """``retries = 0``; the clients of the others see nothing of it."""
    arrivals = Scripted([(0.0, 0, 1.0), (0.1, 1, 1.0)])
    scenario = make_scenario(1, 1, keys={"retries": "0"}, disturbances=(kill("a", 0.5),))
    result = simulate(scenario, "round_robin", arrivals)
    assert (result.served, result.failed, result.retried) == (1, 1, 0)


def test_a_slow_server_takes_its_time() -> None:
    """For what it begins from then on."""
    slow = Disturbance(Kind.SLOW, "a", 1.5, 5.0)
    arrivals = Scripted([(1.0, 0, 1.0), (3.0, 0, 1.0)])
    result = simulate(make_scenario(1, disturbances=(slow,)), "round_robin", arrivals)
    assert result.seconds == 8.0


def test_least_latency_lives_in_virtual_time() -> None:
    """It learns of a slow server, and leaves it alone for the most part."""
    slow = Disturbance(Kind.SLOW, "a", 0.0, 5.0)
    result = simulate(make_scenario(1, 1, 1, 1, disturbances=(slow,)), "least_latency", make_arrivals(50, 5000))
    assert result.servers[0].share < 0.1


# --- the pool's queue


FULL = {"max_connections": "1", "queue": "2", "queue_timeout": "5s"}


def test_who_finds_all_full_waits_in_turn() -> None:
    """The queue takes as many as it may, and they are served in the order in which they came."""
    arrivals = Scripted([(0.0, 0, 1.0), (0.1, 1, 1.0), (0.2, 2, 1.0), (0.3, 3, 1.0)])
    result = simulate(make_scenario(1, keys=FULL), "round_robin", arrivals)
    assert (result.served, result.refused, result.queued.count) == (3, 1, 2)
    assert result.queued.sum == pytest.approx(0.9 + 1.8)
    assert result.servers[0].peak == 1


def test_who_waits_too_long_is_refused() -> None:
    """After ``queue_timeout``; the server does not work on it."""
    arrivals = Scripted([(0.0, 0, 7.0), (1.0, 1, 1.0)])
    result = simulate(make_scenario(1, keys=FULL), "round_robin", arrivals)
    assert (result.served, result.refused) == (1, 1)
    assert result.queued.longest == 5.0


def test_without_a_queue_nobody_waits() -> None:
    """``queue = 0`` refuses at once."""
    arrivals = Scripted([(0.0, 0, 1.0), (0.1, 1, 1.0)])
    result = simulate(make_scenario(1, keys={**FULL, "queue": "0"}), "round_robin", arrivals)
    assert (result.served, result.refused, result.queued.count) == (1, 1, 0)


def test_who_waits_for_servers_that_go_down_is_refused() -> None:
    """When the pool finds out; nobody waits for what will not come."""
    arrivals = Scripted([(0.0, 0, 9.0), (0.1, 1, 1.0), (0.2, 2, 1.0)])
    scenario = make_scenario(1, keys=FULL, disturbances=(kill("a", 0.5),), detect=1.0)
    result = simulate(scenario, "round_robin", arrivals)
    assert (result.served, result.failed + result.refused) == (0, 3)


def test_every_request_is_counted_once() -> None:
    """Whatever happens: a pool that is too small, servers that die and return."""
    disturbances = tuple(
        Disturbance(kind, name, at)
        for name, begin in (("a", 2.0), ("b", 2.5), ("c", 3.0))
        for kind, at in ((Kind.KILL, begin), (Kind.RECOVER, begin + 6))
    )
    scenario = make_scenario(1, 1, 1, keys={"max_connections": "3"}, disturbances=disturbances)
    result = simulate(scenario, "least_connections", make_arrivals(140, 3000))
    assert result.requests == 3000 == result.served + result.refused + result.failed
    assert result.refused > 0
    assert result.served == sum(one.served for one in result.servers)
