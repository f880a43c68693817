"""Scenarios and arrivals for tests of the simulation.

What lives here: a builder for each, ordinary unless a test says otherwise.
What must not: assertions.
Invariant: what is built with the same seed behaves the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from deston.simulate.arrivals import Cut, Poisson, client_keys
from deston.simulate.engine import Simulation
from deston.simulate.results import Result, ServerResult
from deston.simulate.scenario import Scenario, made_up_pool
from deston.simulate.service_times import ServiceTime, parse_service_time

SEED = 20260511


def make_arrivals(
    rate: float, requests: int, service_time: str = "exp:20ms", clients: int = 1000, skew: float = 0.0, seed: int = SEED
) -> Cut:
    """So many requests of a Poisson process."""
    return Cut(Poisson(rate, parse_service_time(service_time), client_keys(clients), skew, seed), requests)


def make_scenario(*weights: int, keys: dict[str, str] | None = None, **changes: Any) -> Scenario:
    """A pool of servers with these weights; ``keys`` are the pool's, ``changes`` are fields of ``Scenario``."""
    return Scenario(made_up_pool(weights, **(keys or {})), **{"seed": SEED, **changes})


def simulate(scenario: Scenario, algorithm: str, arrivals: Any) -> Result:
    """What comes out of a run."""
    return Simulation(scenario, algorithm, arrivals).run()


@dataclass
class Scripted:
    """Arrivals as a test lists them: when, from whom, how many seconds of work."""

    listed: list[tuple[float, int, float]]
    keys: tuple[str, ...] = client_keys(4)
    description: str = "scripted"
    rate: float = 1.0
    seconds: float = 1.0
    work: float = 0.0

    def __iter__(self) -> Any:
        return iter(self.listed)


def make_result(algorithm: str = "random", *seconds: float, servers: int = 2, **changes: Any) -> Result:
    """A result with these latencies, spread evenly over servers."""
    result = Result(algorithm, **changes)
    for one in seconds:
        result.latency.add(one)
        result.waiting.add(one / 2)
    result.requests = len(seconds)
    result.servers = [
        ServerResult(chr(97 + index % 26) * (1 + index // 26), 1, len(seconds) // servers, 1 / servers, 0.5, 0.02, 3, 0)
        for index in range(servers)
    ]
    return result


def draws(service_time: ServiceTime, count: int) -> list[float]:
    """So many service times."""
    rng = random.Random(SEED)
    return [service_time.draw(rng) for _ in range(count)]
