"""Listeners for tests, ordinary unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from deston.config.model import ListenerConfig, Protocol
from tests import builders


def make_listener(name: str = "tcp", **changes: Any) -> ListenerConfig:
    """A TCP listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    return builders.make_listener(Protocol.TCP, name, **changes)


def make_udp_listener(name: str = "udp", **changes: Any) -> ListenerConfig:
    """A UDP listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    return builders.make_listener(Protocol.UDP, name, **changes)
