"""Which connections of http clients are taken: before anything is read of them.

What lives here: how many connections one client has, and how many it opens a second.
What must not: requests and their limits (``site``).
Invariant: whoever connects is the client here; a proxy in front counts as one. Who was let in is counted until it
leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deston.config.model import ListenerConfig
from deston.l7.tally import refusals_of
from deston.limits import HostCounts, OpenByClient, client_of, connection_rate
from deston.net.stream import Stream


class Admission:
    """The limits of one listener for those who connect."""

    def __init__(
        self,
        config: ListenerConfig,
        clock: Callable[[], float] = time.monotonic,
        counts: HostCounts | None = None,
    ) -> None:
        self._clock = clock
        self._counts = counts or HostCounts()
        self._open = OpenByClient(f"clients of {config.name}", 0, self._counts)
        #: How many were turned away, by reason.
        self.refused = refusals_of(config.name)
        self.configure(config)

    def configure(self, config: ListenerConfig) -> None:
        """Take over what a reload changed; what was counted stays, that of a rate as long as this is the same."""
        self._open.limit = config.max_connections_per_client
        self._rate = connection_rate(config.name, config.connection_rate, self._clock, self._counts)
        #: Whether there is no limit, so that nobody needs to ask.
        self.is_trivial = not (self._open.limit or self._rate)

    def enter(self, peer: str) -> bool:
        """Let a client in and count it; whether it may come. A client on a unix socket always may."""
        if not peer:
            return True
        client = client_of(peer)
        if not self._open.enter(client):
            self.refused["too many connections of the client"] += 1
            return False
        if self._rate is not None and self._rate.take(client) < 0:
            self._open.leave(client)
            self.refused["connection rate of the client"] += 1
            return False
        return True

    def leave(self, peer: str) -> None:
        """Count the end of a connection that was let in."""
        if peer:
            self._open.leave(client_of(peer))


class CountedStream(Stream):
    """A client's stream that is counted until it is closed; one that is not let in is closed at once."""

    __slots__ = ("_admission", "_peer", "is_let_in")

    def __init__(self, stream: Stream, admission: Admission, peer: str) -> None:
        super().__init__(stream.socket)
        self._admission = admission
        self._peer = peer
        self.is_let_in = admission.enter(peer)
        if not self.is_let_in:
            super().close()

    def close(self) -> None:
        """Close the socket, and count that; a second call does nothing."""
        super().close()
        if self.is_let_in:
            self.is_let_in = False
            self._admission.leave(self._peer)
