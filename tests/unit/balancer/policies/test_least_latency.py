"""``least_latency``: who answers soon gets more, and nobody is forgotten."""

from __future__ import annotations

import random
from collections import Counter

from deston.balancer.policies.least_latency import EXPLORED, MEMORY, LeastLatency
from deston.balancer.server import Server
from tests.builders import make_servers

SEED = 20261125


class Clock:
    """Time that goes on when it is told to, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(policy: LeastLatency, servers: tuple[Server, ...], latency: dict[str, float], clock: Clock) -> Counter[str]:
    """A thousand requests, ten milliseconds apart, each answered before the next one comes."""
    counts: Counter[str] = Counter()
    for _ in range(1000):
        picked = policy.pick(servers, "")
        counts[picked.name] += 1
        policy.observe(picked, latency[picked.name])
        clock.now += 0.01
    return counts


def prepared(*weights: int) -> tuple[LeastLatency, tuple[Server, ...], Clock]:
    clock, servers = Clock(), make_servers(*weights)
    policy = LeastLatency(random.Random(SEED), clock)
    policy.prepare(servers)
    return policy, servers, clock


def test_the_slow_one_gets_little_but_something() -> None:
    """A server ten times as slow gets hardly more than is explored; the others share evenly."""
    policy, servers, clock = prepared(1, 1, 1, 1, 1)
    run(policy, servers, dict.fromkeys("abcd", 0.01) | {"e": 0.1}, clock)
    counts = run(policy, servers, dict.fromkeys("abcd", 0.01) | {"e": 0.1}, clock)
    assert 0 < counts["e"] < 100
    assert all(counts[name] > 150 for name in "abcd"), counts


def test_a_bad_start_is_forgotten() -> None:
    """One slow first answer costs a server its share for a while, not for ever (traefik #12306)."""
    policy, servers, clock = prepared(1, 1, 1, 1, 1)
    policy.observe(servers[4], 5.0)
    latency = dict.fromkeys("abcde", 0.01)
    for _ in range(8):
        run(policy, servers, latency, clock)
    counts = run(policy, servers, latency, clock)
    assert counts["e"] > 100, counts


def test_a_peak_counts_at_once_and_decays_while_idle() -> None:
    """Of two, the one with a peak is avoided, until its past counts no more."""
    policy, (a, b), clock = prepared(1, 1)
    policy.observe(a, 0.01)
    policy.observe(b, 0.01)
    policy.observe(b, 1.0)
    picks = Counter(policy.pick((a, b), "").name for _ in range(1000))
    assert picks["b"] <= 1000 * EXPLORED
    clock.now += 10 * MEMORY
    policy.observe(a, 0.01)
    picks = Counter(policy.pick((a, b), "").name for _ in range(1000))
    assert picks["b"] > 900


def test_the_busy_one_waits() -> None:
    """What is under way counts with the latency, by weight."""
    policy, (a, b), _ = prepared(1, 1)
    policy.observe(a, 0.01)
    policy.observe(b, 0.02)
    a.active = 5
    assert Counter(policy.pick((a, b), "").name for _ in range(1000))["b"] > 900
    a.weight = 20
    policy.prepare((a, b))
    assert Counter(policy.pick((a, b), "").name for _ in range(1000))["a"] > 900


def test_who_has_left_is_forgotten() -> None:
    policy, (a, b), _ = prepared(1, 1)
    policy.observe(a, 0.01)
    policy.observe(b, 0.01)
    policy.prepare((a,))
    policy.prepare((a, b))
    assert len(policy._costs) == 1
