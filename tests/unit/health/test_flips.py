"""What a flip brings about."""

from __future__ import annotations

import math
from typing import Any

import pytest

from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.model import OnLeaving
from deston.health.flips import Flips
from deston.health.passive import PassiveMarks
from deston.health.slow_start import SlowStart
from tests.unit.health import builders

NOW = 100.0


def make_flips(*servers: Server, **settings: Any) -> tuple[Flips, Pool]:
    pool = builders.pool(*servers, **settings)
    registry = builders.registry(pool)
    marks = PassiveMarks(registry, lambda: NOW)
    flips = Flips(marks, SlowStart(registry, lambda: NOW), lambda: NOW)
    flips.drain_timeout = 30.0
    return flips, pool


@pytest.mark.parametrize(
    ("choice", "end"), [(OnLeaving.KEEP, math.inf), (OnLeaving.DRAIN, 130.0), (OnLeaving.CLOSE, 100.0)]
)
def test_what_is_under_way_with_a_server_that_goes_down_or_away(choice: OnLeaving, end: float) -> None:
    """It stays, gets the drain time, or ends at once, as the pool says."""
    one, other = builders.servers(2)
    flips, pool = make_flips(one, other, on_down=choice)
    one.health = Health.DOWN
    flips.take(pool, [(one, Health.UP)])
    assert one.ends_at == end
    flips.removed([other], choice)
    assert other.ends_at == end


def test_a_server_that_is_back_keeps_what_it_gets() -> None:
    """After a recovery nothing ends by itself any more."""
    one, other = builders.servers(2)
    flips, pool = make_flips(one, other, on_down=OnLeaving.CLOSE)
    one.health = Health.DOWN
    flips.take(pool, [(one, Health.UP)])
    one.health = Health.UP
    flips.take(pool, [(one, Health.DOWN)])
    assert one.ends_at == math.inf
    assert one.share == 0.1


def test_the_first_look_is_no_recovery() -> None:
    """A server that is up when it is looked at first has its whole share."""
    one, other = builders.servers(2)
    flips, pool = make_flips(one, other)
    one.health = Health.UP
    flips.take(pool, [(one, Health.UNCHECKED)])
    assert one.share == 1.0


def test_several_servers_at_once() -> None:
    """All that a pool is told of at one time counts before anybody is picked."""
    servers = builders.servers(3)
    flips, pool = make_flips(*servers)
    for server in servers[:2]:
        server.health = Health.DOWN
    flips.take(pool, [(server, Health.UP) for server in servers[:2]])
    assert {pool.pick("") for _ in range(4)} == {servers[2]}
