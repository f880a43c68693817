"""Admission: which clients of a listener are let in.

What lives here: access lists, connections of one client, and new connections of one client a second. Pure: the clock is
handed in.
What must not: limits on all clients together (``slots.py``), sockets.
Invariant: whoever was admitted is counted until ``leave``; the tables are bounded whatever addresses come.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

from deston.config.model import ListenerConfig
from deston.l4.refusals import Refusal
from deston.networks import Networks

# A burst may bring so many times the connections of a second.
BURST = 2
# Clients whose rate is remembered, in each of two generations: about 20 MiB at the most.
MOST_CLIENTS = 65536


class AccessRules:
    """Whom ``allow`` and ``deny`` let in. A client on a unix socket has no address, and they are not about it."""

    __slots__ = ("_allow", "_deny", "is_trivial")

    def __init__(self, config: ListenerConfig) -> None:
        self._allow, self._deny = Networks(config.allow), Networks(config.deny)
        #: Whether everybody is let in.
        self.is_trivial = not (self._allow or self._deny)

    def permit(self, host: str) -> bool:
        """Whether a client may come; a client that both lists name may not."""
        return host not in self._deny and (not self._allow or host in self._allow)

    def __repr__(self) -> str:
        return f"<AccessRules allow {self._allow!r} deny {self._deny!r}>"


class Admission:
    """The rules of one listener for its clients.

    A client is an IPv4 address or an IPv6 network of 64 bits: whoever has one address of such a network has them all.
    A client on a unix socket has no address, and no rule is about it.
    """

    __slots__ = ("_access", "_buckets", "_clock", "_limit", "_open", "is_trivial")

    def __init__(self, config: ListenerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, int] = {}
        self.configure(config)

    def configure(self, config: ListenerConfig) -> None:
        """Take over what a reload changed; connections that are open stay counted."""
        self._access = AccessRules(config)
        self._limit = config.max_connections_per_client
        self._buckets = Buckets(config.connection_rate, self._clock) if config.connection_rate else None
        #: Whether there is no rule at all, so that nobody needs to ask; counts go on until the last has left.
        self.is_trivial = self._access.is_trivial and not (self._limit or self._buckets or self._open)

    def admit(self, host: str) -> Refusal | None:
        """Let a client in, and count it; or say why not."""
        if not host:
            return None
        if not self._access.permit(host):
            return Refusal.DENIED
        client = client_of(host)
        if self._limit and self._open.get(client, 0) >= self._limit:
            return Refusal.CLIENT_CONNECTIONS
        if self._buckets is not None and not self._buckets.take(client):
            return Refusal.CONNECTION_RATE
        self._open[client] = self._open.get(client, 0) + 1
        return None

    def leave(self, host: str) -> None:
        """Count the end of a connection that was admitted."""
        client = client_of(host)
        left = self._open.get(client, 0) - 1
        if left > 0:
            self._open[client] = left
        else:
            self._open.pop(client, None)

    def __repr__(self) -> str:
        return f"<Admission {len(self._open)} clients>"


class Buckets:
    """A token bucket for each client, in two generations.

    A full generation becomes the old one, and the one before it is forgotten: who comes again is moved to the young one
    with what it has used. So the table is bounded and never searched, and only a client that stayed away while as many
    others came as the table holds is given a full bucket again.
    """

    __slots__ = ("_burst", "_clock", "_old", "_rate", "_young")

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(rate * BURST)
        self._clock = clock
        self._young: dict[str, tuple[float, float]] = {}
        self._old: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        tokens, since = self._young.get(client) or self._old.get(client) or (self._burst, now)
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        if client not in self._young and len(self._young) >= MOST_CLIENTS:
            self._old, self._young = self._young, {}
        self._young[client] = (tokens - 1 if tokens >= 1 else tokens), now
        return tokens >= 1


def client_of(host: str) -> str:
    """What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 one."""
    if ":" not in host:
        return host
    return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
