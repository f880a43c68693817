"""Pools and servers for the tests of health: short intervals, and no more than a test cares about."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import gevent

from deston.address import Address
from deston.balancer.policies.round_robin import RoundRobin
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import CheckType, HealthConfig, TlsConfig
from tests.builders import make_health_config, make_pool_config, make_server_config, make_tls_config

TLS = make_tls_config()
HEALTH = make_health_config(type=CheckType.TCP, interval=0.05, timeout=1.0)
DEADLINE_S = 20.0


def health(**changes: Any) -> HealthConfig:
    """Settings of checks: TCP every 50 ms, except for what is named."""
    return dataclasses.replace(HEALTH, **changes)


def tls(**changes: Any) -> TlsConfig:
    """Settings of TLS to servers: verified, except for what is named."""
    return dataclasses.replace(TLS, **changes)


def server(name: str = "a", address: Address | None = None, **options: Any) -> Server:
    """A server on a port that nobody uses, except for what is named."""
    return Server(make_server_config(name, address=address or Address("127.0.0.1", 1), **options))


def servers(count: int) -> list[Server]:
    """So many servers, named from a on."""
    return [server(chr(ord("a") + index), Address("127.0.0.1", 1 + index)) for index in range(count)]


def pool(
    *servers: Server, name: str = "app", checked: HealthConfig = HEALTH, secured: TlsConfig = TLS, **settings: Any
) -> Pool:
    """A pool of these servers, in turn."""
    return Pool(make_pool_config(name=name, health=checked, tls=secured, **settings), RoundRobin(), servers)


def registry(*pools: Pool) -> Registry:
    """A registry of these pools."""
    return Registry(pools)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Let other greenlets run until a condition holds; fails the test if it does not in good time."""
    with gevent.Timeout(DEADLINE_S, AssertionError(f"{what} did not happen within {DEADLINE_S:g} s")):
        while not condition():
            gevent.sleep(0.005)
