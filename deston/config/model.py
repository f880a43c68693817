"""The configuration as frozen values.

What lives here: one dataclass for each kind of section, in the units of the program (seconds, bytes).
What must not: defaults (they stand in ``spec.ini``, once), parsing, and anything that lives or moves.
Invariant: a ``Config`` that exists is complete and consistent; whoever reads it checks nothing again.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field

from deston.address import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Protocol(enum.Enum):
    """What a listener speaks."""

    HTTP = "http"
    TCP = "tcp"


class AdminState(enum.Enum):
    """What the operator says of a server."""

    READY = "ready"
    DRAIN = "drain"  # No new clients; those that it has stay.
    MAINT = "maint"  # No clients and no health checks.


class CheckType(enum.Enum):
    """How a server's health is asked for."""

    HTTP = "http"
    TCP = "tcp"
    NONE = "none"


class Forwarded(enum.Enum):
    """Which request fields tell the server who the client is."""

    X_FORWARDED = "x-forwarded"
    RFC7239 = "rfc7239"


@dataclass(frozen=True, slots=True)
class GlobalConfig:
    """``[global]``: what holds for the whole process."""

    run_dir: str
    workers: int
    store: str
    drain_timeout: float


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """``[admin]``: where the dashboard and its interface listen."""

    bind: Address
    token: str


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """``[listeners] [[name]]``: a bound address with a protocol.

    ``protocol`` is None where a file in the Rust form leaves it to the command that reads it. ``pool`` is empty
    where routes alone decide. ``max_connections`` and ``max_body_size`` are 0 for no limit of their own.
    """

    name: str
    bind: Address
    protocol: Protocol | None
    pool: str
    backlog: int
    max_connections: int
    client_timeout: float
    trusted_proxies: tuple[Network, ...]
    forwarded: frozenset[Forwarded]
    keepalive_timeout: float
    max_body_size: int


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """``[routes] [[name]]``: host and path to a pool, on the HTTP listeners.

    ``hosts`` is empty for every host; a host that begins with ``*.`` stands for all names below it. Hosts are in
    lower case. ``strip_prefix`` is empty where the path goes on as it came.
    """

    name: str
    hosts: tuple[str, ...]
    path: str
    pool: str
    strip_prefix: str


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One member of a pool. ``max_connections`` is 0 for no limit."""

    name: str
    address: Address
    tls: bool = False
    weight: int = 1
    max_connections: int = 0
    backup: bool = False
    state: AdminState = AdminState.READY


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """``[[[health]]]``: how the servers of a pool are checked. Times are in seconds.

    ``host`` is empty for the server's own address. ``expect_status`` holds inclusive ranges.
    ``expect_body`` is a regular expression to be found in the body, or empty.
    """

    type: CheckType
    interval: float
    timeout: float
    rise: int
    fall: int
    method: str
    path: str
    host: str
    expect_status: tuple[tuple[int, int], ...]
    expect_body: str


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """How connections to the ``https://`` servers of a pool are secured; empty texts mean unset."""

    verify: bool
    ca: str
    server_name: str
    client_certificate: str
    client_key: str


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """``[pools] [[name]]``: equal servers, and how they are dealt with. Times are in seconds.

    ``host_header`` is ``preserve``, ``server`` or the value to send.
    """

    name: str
    algorithm: str
    retries: int
    connect_timeout: float
    server_timeout: float
    half_close_timeout: float
    host_header: str
    max_idle_connections: int
    idle_timeout: float
    tls: TlsConfig
    health: HealthConfig
    servers: tuple[ServerConfig, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A whole file, complete and consistent."""

    file: str
    global_: GlobalConfig
    admin: AdminConfig
    listeners: tuple[ListenerConfig, ...]
    pools: tuple[PoolConfig, ...]
    routes: tuple[RouteConfig, ...] = field(default=())

    def listeners_of(self, protocol: Protocol) -> tuple[ListenerConfig, ...]:
        """The listeners that a command for ``protocol`` serves, in the order of the file."""
        return tuple(one for one in self.listeners if one.protocol in (protocol, None))

    def pool(self, name: str) -> PoolConfig:
        return next(pool for pool in self.pools if pool.name == name)
