"""A server as the balancer sees it: state and counters.

What lives here: one member of a pool, what probes and the operator say of it, and what it carries.
What must not: connections, checks, and the choice between servers.
Invariant: ``active`` is the number of leases that are open, here and in other processes; only ``Lease`` moves the one
part and ``deston.sharing`` the other. Only these and ``deston.health`` write ``health``, ``marked``, ``share`` and
``ends_at``; ``Pool.refresh`` alone writes ``weight``.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from deston.address import Address
from deston.config.model import AdminState, ServerConfig
from deston.errors import ConnectError

# The share of a new sample in the mean: about the last ten count, as in TCP's smoothed round trip (RFC 6298: 1/8).
LATENCY_SHARE: Final = 0.125


class Health(enum.Enum):
    """What probes say of a server."""

    UP = "up"
    DOWN = "down"
    UNCHECKED = "unchecked"


class Server:
    """One member of a pool.

    ``endpoint`` is the address to dial: ``address`` itself, or what the monitor last resolved its name to. ``named`` is
    the address as the configuration has it. They differ for the servers that stand for the further addresses of a name:
    ``origin`` is the server that has the name, and they come and go with the answers.
    ``latency`` is the smoothed time in seconds until a server answers (HTTP: first byte; TCP: connected), 0.0
    before the first answer. ``check_reason`` says why the last check ended as it did.
    """

    __slots__ = (
        "active",
        "address",
        "admin",
        "backup",
        "bad_answers",
        "config",
        "base_weight",
        "bytes_in",
        "bytes_out",
        "check_reason",
        "check_tally",
        "elsewhere",
        "endpoint",
        "ends_at",
        "failures",
        "health",
        "is_hosted",
        "latency",
        "marked",
        "max_connections",
        "name",
        "named",
        "origin",
        "share",
        "tls",
        "total",
        "unresolved",
        "weight",
    )

    def __init__(self, config: ServerConfig, origin: Server | None = None, endpoint: Address | None = None) -> None:
        self.named: Address = config.address
        self.origin = origin
        self.address: Address = endpoint or config.address
        self.tls: bool = config.tls
        #: Whether it is an application in this process, which is called and not dialed.
        self.is_hosted = bool(self.address.application)
        self.endpoint: Address | None = None if self.address.is_name else self.address
        self.health: Health = Health.UNCHECKED
        #: Why its name does not resolve; empty where it does, or is none.
        self.unresolved: str = ""
        self.marked: bool = False
        self.check_reason: str = ""
        #: How many checks there were, how many failed, how often the health flipped, and how long the last check took.
        self.check_tally: tuple[int, int, int, float] = (0, 0, 0, 0.0)
        #: What it may have of its weight: less than 1.0 while it starts slowly after it recovered.
        self.share: float = 1.0
        #: When what is under way with it is ended, in seconds of the monotonic clock.
        self.ends_at: float = math.inf
        self.active: int = 0
        #: How many of ``active`` are those of other processes, as they last told.
        self.elsewhere: int = 0
        self.total: int = 0
        self.failures: int = 0
        #: How many answers in a row had one of the statuses that its pool holds against it.
        self.bad_answers: int = 0
        self.latency: float = 0.0
        self.bytes_in: int = 0
        self.bytes_out: int = 0
        #: Its weight as the configuration or its name says, and the one that policies compare.
        self.base_weight: int = config.weight
        self.weight: int = config.weight
        self.backup: bool = config.backup
        self.config = config
        self.configure(config)

    def configure(self, config: ServerConfig) -> None:
        """Take over what a file may change of a server while it lives on.

        What its name has said of weight and backup stays until the configuration says something else of them.
        """
        known, self.config = self.config, config
        # The servers of one host may be several of a service.
        place = self.address if self.named.service else self.address.host
        self.name: str = config.name if self.origin is None else f"{config.name}@{place}"
        if known.weight != config.weight:
            self.base_weight = self.weight = config.weight
        if known.backup != config.backup:
            self.backup = config.backup
        self.max_connections: int = config.max_connections
        self.admin: AdminState = config.state

    @property
    def usable(self) -> bool:
        """Whether new clients may come, however full it is: what changes on a flip only."""
        return self.keeps and self.admin is AdminState.READY and self.base_weight > 0

    @property
    def keeps(self) -> bool:
        """Whether those may come who are its clients already: also while it drains, or has no weight."""
        return (
            self.health is not Health.DOWN
            and self.admin is not AdminState.MAINT
            and not self.marked
            and self.endpoint is not None
        )

    @property
    def full(self) -> bool:
        return 0 < self.max_connections <= self.active

    @property
    def available(self) -> bool:
        """The one question: up or unchecked, ready, not marked and not full."""
        return self.usable and not self.full

    def endpoint_or_fail(self) -> Address:
        """The address to dial; raises ``ConnectError`` where the name has not been resolved."""
        if self.endpoint is None:
            raise ConnectError(f"{self.address}: the name has not been resolved")
        return self.endpoint

    def observe_latency(self, seconds: float) -> None:
        """Take one more answer time into the smoothed latency."""
        self.latency += (seconds - self.latency) * (LATENCY_SHARE if self.latency else 1.0)

    def __repr__(self) -> str:
        health = f"{self.health.value} marked" if self.marked else self.health.value
        return f"<Server {self.name} {self.address} {health} {self.admin.value} active={self.active}>"
