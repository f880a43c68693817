"""Listeners for tests, ordinary unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from deston.address import Address
from deston.config.model import ListenerConfig, Protocol


def make_listener(name: str = "tcp", **changes: Any) -> ListenerConfig:
    """A TCP listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    ordinary: dict[str, Any] = {
        "bind": Address("127.0.0.1", 8000),
        "protocol": Protocol.TCP,
        "pool": "app",
        "backlog": 2048,
        "max_connections": 0,
        "client_timeout": 3600.0,
        "trusted_proxies": (),
        "forwarded": frozenset(),
        "keepalive_timeout": 15.0,
        "max_body_size": 0,
    }
    return ListenerConfig(name=name, **{**ordinary, **changes})
