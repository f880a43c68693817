"""Values and objects for tests, complete and ordinary unless a test says otherwise.

What lives here: one builder for each kind of value; each takes what the test is about and fills in the rest.
What must not: sockets, processes and assertions.
Invariant: what two calls build shares nothing that moves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from deston.address import Address
from deston.balancer.policies import make_policy
from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.config.http_rules import HeaderRules, SameSite, UnderscoreHeaders
from deston.config.model import (
    ANY_NUMBER,
    CheckType,
    Forwarded,
    HealthConfig,
    ListenerConfig,
    ListenerTlsConfig,
    LogFormat,
    LogSink,
    LogTarget,
    OnLeaving,
    PoolConfig,
    Protocol,
    RetryCause,
    RetryOn,
    SendProxyProtocol,
    ServerConfig,
    TlsConfig,
    TlsMode,
    TlsVersion,
)

FIRST_PORT = 3000


def make_server_config(
    name: str = "a", port: int = FIRST_PORT, host: str = "127.0.0.1", **changes: Any
) -> ServerConfig:
    """A ready server of weight 1 without limits; ``changes`` are fields of ``ServerConfig``."""
    return ServerConfig(name=name, **{"address": Address(host, port), **changes})


def make_server_configs(*weights: int, **changes: Any) -> tuple[ServerConfig, ...]:
    """Servers ``a``, ``b``, ``c`` and so on, on ports from 3000 up, with these weights."""
    return tuple(
        make_server_config(name, FIRST_PORT + index, weight=weight, **changes)
        for index, (name, weight) in enumerate(zip(_names(), weights, strict=False))
    )


def make_servers(*weights: int, **changes: Any) -> tuple[Server, ...]:
    """As ``make_server_configs``, but alive."""
    return tuple(map(Server, make_server_configs(*weights, **changes)))


def make_health_config(**changes: Any) -> HealthConfig:
    """No checks; ``changes`` are fields of ``HealthConfig``."""
    ordinary: dict[str, Any] = {
        "type": CheckType.NONE,
        "interval": 2.0,
        "timeout": 2.0,
        "rise": 2,
        "fall": 3,
        "method": "GET",
        "path": "/",
        "host": "",
        "expect_status": ((200, 399),),
        "expect_body": "",
        "send": b"",
        "expect": b"",
    }
    return HealthConfig(**{**ordinary, **changes})


def make_tls_config(**changes: Any) -> TlsConfig:
    """Verification on, nothing else set; ``changes`` are fields of ``TlsConfig``."""
    ordinary: dict[str, Any] = {
        "verify": True,
        "ca": "",
        "server_name": "",
        "client_certificate": "",
        "client_key": "",
    }
    return TlsConfig(**{**ordinary, **changes})


def make_listener_tls(mode: TlsMode = TlsMode.OFF, **changes: Any) -> ListenerTlsConfig:
    """No TLS; ``changes`` are fields of ``ListenerTlsConfig``."""
    ordinary: dict[str, Any] = {
        "certificates": (),
        "keys": (),
        "client_ca": "",
        "min_version": TlsVersion.TLS_1_2,
        "alpn": (),
    }
    return ListenerTlsConfig(mode=mode, **{**ordinary, **changes})


def make_listener(protocol: Protocol, name: str, **changes: Any) -> ListenerConfig:
    """A listener of the pool ``app``; ``changes`` are fields of ``ListenerConfig``."""
    ordinary: dict[str, Any] = {
        "bind": Address("127.0.0.1", 8000),
        "pool": "app",
        "backlog": 2048,
        "max_connections": 0,
        "allow": (),
        "deny": (),
        "max_connections_per_client": 0,
        "connection_rate": 0,
        "client_timeout": 3600.0,
        "client_idle_timeout": 0.0,
        "max_lifetime": 0.0,
        "handshake_timeout": 5.0,
        "linger_timeout": 5.0,
        "accept_proxy_protocol": False,
        "trusted_proxies": (),
        "tls": make_listener_tls(),
        "access_log": LogTarget(LogSink.OFF),
        "access_log_format": LogFormat.TEXT,
        "access_log_template": "",
        "responses": ANY_NUMBER,
        "session_timeout": 60.0,
        "max_sessions": 4096,
        "forwarded": frozenset({Forwarded.X_FORWARDED}),
        "via": True,
        "http2": True,
        "keepalive_timeout": 15.0,
        "header_timeout": 10.0,
        "body_timeout": 30.0,
        "write_timeout": 60.0,
        "max_request_line": 8190,
        "max_header_size": 32768,
        "max_header_fields": 100,
        "max_requests": 0,
        "max_body_size": 0,
        "max_requests_per_client": 0,
        "rate_limit": None,
        "underscore_headers": UnderscoreHeaders.DROP,
        "underscore_headers_kept": (),
        "request_id": "",
        "ready_path": "",
        "error_pages": (),
        "request_header": HeaderRules(),
        "response_header": HeaderRules(),
    }
    return ListenerConfig(name=name, protocol=protocol, **{**ordinary, **changes})


def make_pool_config(*servers: ServerConfig, **changes: Any) -> PoolConfig:
    """A pool named ``app`` that takes turns; ``changes`` are fields of ``PoolConfig``."""
    ordinary: dict[str, Any] = {
        "name": "app",
        "algorithm": "round_robin",
        "hash_key": "",
        "hash_balance_factor": 0,
        "retries": 2,
        "connect_timeout": 3.0,
        "server_timeout": 60.0,
        "tunnel_timeout": 3600.0,
        "half_close_timeout": 30.0,
        "server_idle_timeout": 0.0,
        "max_lifetime": 0.0,
        "handshake_timeout": 5.0,
        "queue": 128,
        "queue_timeout": 5.0,
        "on_down": OnLeaving.KEEP,
        "on_remove": OnLeaving.KEEP,
        "slow_start": 10.0,
        "mark_failures": 3,
        "mark_window": 10.0,
        "mark_time": 10.0,
        "mark_statuses": frozenset(),
        "mark_after": 5,
        "send_proxy_protocol": SendProxyProtocol.OFF,
        "source_address": "",
        "host_header": "preserve",
        "affinity_cookie": "",
        "affinity_lifetime": 0.0,
        "affinity_same_site": SameSite.LAX,
        "max_idle_connections": 128,
        "idle_timeout": 4.0,
        "max_connection_age": 3600.0,
        "retry_on": RetryOn(frozenset({RetryCause.RESET}), frozenset()),
        "tls": make_tls_config(),
        "health": make_health_config(),
    }
    return PoolConfig(**{**ordinary, **changes}, servers=servers)


def make_pool(*servers: ServerConfig, rng: random.Random | None = None, **changes: Any) -> Pool:
    """A living pool of these servers; ``rng`` is its policy's, ``changes`` are fields of ``PoolConfig``."""
    config = make_pool_config(*servers, **changes)
    return Pool(config, make_policy(config, rng), tuple(map(Server, servers)))


def _names() -> Iterator[str]:
    yield from "abcdefghijklmnopqrstuvwxyz"
    number = 26
    while True:
        yield f"s{number}"
        number += 1
