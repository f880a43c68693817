"""Admission: which clients of a listener are let in.

What lives here: access lists, connections of one client, and new connections of one client a second, one after the
other.
What must not: each of these by itself (``deston.limits``), limits on all clients together (``slots.py``), sockets.
Invariant: whoever was admitted is counted until ``leave``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deston.config.model import ListenerConfig
from deston.l4.refusals import Refusal
from deston.limits import AccessRules, HostCounts, OpenByClient, client_of, connection_rate


class Admission:
    """The rules of one listener for its clients.

    A client is an IPv4 address or an IPv6 network of 64 bits: whoever has one address of such a network has them all.
    A client on a unix socket has no address, and no rule is about it.
    """

    __slots__ = ("_access", "_buckets", "_clock", "_counts", "_open", "is_trivial")

    def __init__(
        self,
        config: ListenerConfig,
        clock: Callable[[], float] = time.monotonic,
        counts: HostCounts | None = None,
    ) -> None:
        self._clock = clock
        self._counts = counts or HostCounts()
        self._open = OpenByClient(f"clients of {config.name}", 0, self._counts)
        self.configure(config)

    def configure(self, config: ListenerConfig) -> None:
        """Take over what a reload changed; what was counted stays, that of a rate as long as this is the same."""
        self._access = AccessRules(config.allow, config.deny)
        self._open.limit = config.max_connections_per_client
        self._buckets = connection_rate(config.name, config.connection_rate, self._clock, self._counts)
        #: Whether there is no rule at all, so that nobody needs to ask; counts go on until the last has left.
        self.is_trivial = self._access.is_trivial and not (self._open.limit or self._buckets or len(self._open))

    def admit(self, host: str) -> Refusal | None:
        """Let a client in, and count it; or say why not."""
        if not host:
            return None
        if not self._access.permit(host):
            return Refusal.DENIED
        client = client_of(host)
        if not self._open.enter(client):
            return Refusal.CLIENT_CONNECTIONS
        if self._buckets is not None and self._buckets.take(client) < 0:
            self._open.leave(client)
            return Refusal.CONNECTION_RATE
        return None

    def leave(self, host: str) -> None:
        """Count the end of a connection that was admitted."""
        self._open.leave(client_of(host))

    def __repr__(self) -> str:
        return f"<Admission {len(self._open)} clients>"
