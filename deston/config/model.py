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
from deston.config.http_rules import HeaderRules, RateLimit, RouteConfig, SameSite, UnderscoreHeaders
from deston.config.log_words import LineFormat, LogLevel

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Protocol(enum.Enum):
    """What a listener speaks."""

    HTTP = "http"
    TCP = "tcp"
    UDP = "udp"


#: What one command serves: ``gunicorn deston.l7:app``, and ``deston-l4``.
L7_PROTOCOLS = (Protocol.HTTP,)
L4_PROTOCOLS = (Protocol.TCP, Protocol.UDP)


class AdminState(enum.Enum):
    """What the operator says of a server."""

    READY = "ready"
    DRAIN = "drain"  # No new clients; those that it has stay.
    MAINT = "maint"  # No clients and no health checks.


class CheckType(enum.Enum):
    """How a server's health is asked for."""

    HTTP = "http"
    TCP = "tcp"
    UDP = "udp"
    NONE = "none"


class Forwarded(enum.Enum):
    """Which request fields tell the server who the client is."""

    X_FORWARDED = "x-forwarded"
    RFC7239 = "rfc7239"


class RetryCause(enum.Enum):
    """Why a request that may have reached a server is tried on another one."""

    RESET = "reset"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class RetryOn:
    """After which failures, and after which statuses, a request that can be repeated goes to another server."""

    causes: frozenset[RetryCause]
    statuses: frozenset[int]


class TlsMode(enum.Enum):
    """What a tcp listener does with TLS."""

    OFF = "off"
    TERMINATE = "terminate"
    PASSTHROUGH = "passthrough"


class TlsVersion(enum.Enum):
    """The oldest version of TLS that is spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class SendProxyProtocol(enum.Enum):
    """Which PROXY protocol header a server gets."""

    OFF = "off"
    V1 = "v1"
    V2 = "v2"


class OnLeaving(enum.Enum):
    """What becomes of what is under way with a server that went down, or was removed."""

    KEEP = "keep"
    DRAIN = "drain"
    CLOSE = "close"


class LogSink(enum.Enum):
    """Where the lines of an access log go."""

    OFF = "off"
    STDOUT = "stdout"
    SYSLOG = "syslog"
    FILE = "file"


class LogFormat(enum.Enum):
    """The form of the lines of an access log."""

    TEXT = "text"
    COMBINED = "combined"
    JSON = "json"
    TEMPLATE = "template"


#: ``responses`` of a udp listener whose sessions end by their timeout alone.
ANY_NUMBER = -1


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where an access log goes: ``file`` is set for a file, ``address`` for syslog."""

    sink: LogSink
    file: str = ""
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class GlobalConfig:
    """``[global]``: what holds for the whole process."""

    run_dir: str
    workers: int
    store: str
    drain_timeout: float
    max_connections: int
    secret_file: str
    stop_delay: float
    nameservers: tuple[Address, ...] = ()
    log_format: LineFormat = LineFormat.TEXT
    log_level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class AdminConfig:
    """``[admin]``: where the dashboard and its interface listen."""

    bind: Address
    token: str
    read_token: str = ""


@dataclass(frozen=True, slots=True)
class ListenerTlsConfig:
    """How a listener deals with TLS. ``keys`` is empty where the certificates' files have them."""

    mode: TlsMode
    certificates: tuple[str, ...]
    keys: tuple[str, ...]
    client_ca: str
    min_version: TlsVersion
    alpn: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """``[listeners] [[name]]``: a bound address with a protocol. Times are in seconds.

    ``protocol`` is None where a file in the Rust form leaves it to the command that reads it. ``pool`` is empty
    where routes alone decide. A limit or timeout of 0 is none, where the schema allows 0. ``responses`` may be
    ``ANY_NUMBER``.
    """

    name: str
    bind: Address
    protocol: Protocol | None
    pool: str
    backlog: int
    max_connections: int
    allow: tuple[Network, ...]
    deny: tuple[Network, ...]
    max_connections_per_client: int
    connection_rate: int
    client_timeout: float
    client_idle_timeout: float
    max_lifetime: float
    handshake_timeout: float
    linger_timeout: float
    accept_proxy_protocol: bool
    trusted_proxies: tuple[Network, ...]
    tls: ListenerTlsConfig
    access_log: LogTarget
    access_log_format: LogFormat
    access_log_template: str
    responses: int
    session_timeout: float
    max_sessions: int
    forwarded: frozenset[Forwarded]
    via: bool
    http2: bool
    keepalive_timeout: float
    header_timeout: float
    body_timeout: float
    write_timeout: float
    max_request_line: int
    max_header_size: int
    max_header_fields: int
    max_requests: int
    max_body_size: int
    max_requests_per_client: int
    rate_limit: RateLimit | None
    underscore_headers: UnderscoreHeaders
    underscore_headers_kept: tuple[str, ...]
    request_id: str
    ready_path: str
    error_pages: tuple[tuple[str, str], ...]
    request_header: HeaderRules
    response_header: HeaderRules


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
    ``expect_body`` is a regular expression to be found in the body, or empty. ``send`` and ``expect`` are those of
    checks by tcp and udp; they are empty where nothing is sent or expected.
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
    send: bytes
    expect: bytes


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

    ``host_header`` is ``preserve``, ``server`` or the value to send. ``source_address`` is an address without a port,
    or empty. ``server_idle_timeout`` and ``max_lifetime`` are 0 for no limit.
    """

    name: str
    algorithm: str
    hash_key: str
    hash_balance_factor: int
    retries: int
    connect_timeout: float
    server_timeout: float
    tunnel_timeout: float
    half_close_timeout: float
    server_idle_timeout: float
    max_lifetime: float
    handshake_timeout: float
    queue: int
    queue_timeout: float
    on_down: OnLeaving
    on_remove: OnLeaving
    slow_start: float
    mark_failures: int
    mark_window: float
    mark_time: float
    mark_statuses: frozenset[int]
    mark_after: int
    send_proxy_protocol: SendProxyProtocol
    source_address: str
    host_header: str
    affinity_cookie: str
    affinity_lifetime: float
    affinity_same_site: SameSite
    max_idle_connections: int
    idle_timeout: float
    max_connection_age: float
    retry_on: RetryOn
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

    def listeners_of(self, *protocols: Protocol) -> tuple[ListenerConfig, ...]:
        """The listeners that a command for ``protocols`` serves, in the order of the file."""
        wanted = frozenset((*protocols, None))
        return tuple(one for one in self.listeners if one.protocol in wanted)

    def pool(self, name: str) -> PoolConfig:
        return next(pool for pool in self.pools if pool.name == name)
