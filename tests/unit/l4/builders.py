"""Listeners for tests, ordinary unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import ListenerConfig, Protocol
from deston.health.flips import Flips
from deston.health.passive import PassiveMarks
from deston.health.slow_start import SlowStart
from tests import builders


def make_listener(name: str = "tcp", **changes: Any) -> ListenerConfig:
    """A TCP listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    return builders.make_listener(Protocol.TCP, name, **changes)


def make_udp_listener(name: str = "udp", **changes: Any) -> ListenerConfig:
    """A UDP listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    return builders.make_listener(Protocol.UDP, name, **changes)


def go_down(pool: Pool, server: Server) -> None:
    """Let a check find that a server is down, at the beginning of time."""
    registry = Registry([pool])
    flips = Flips(PassiveMarks(registry), SlowStart(registry, lambda: 0.0), lambda: 0.0)
    flips.drain_timeout = float("inf")
    server.health = Health.DOWN
    flips.take(pool, [(server, Health.UP)])
