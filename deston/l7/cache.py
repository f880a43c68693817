"""The connection cache: idle connections to servers, for the next exchange.

What lives here: keeping, taking, testing for life, expiring.
What must not: opening connections, deciding whether one may be kept.
Invariant: a connection in the cache belongs to nobody else and to the cache's own hub; at most
``max_idle_connections`` of them are kept for a server, none beyond its time.
"""

from __future__ import annotations

from deston.address import Address
from deston.balancer.server import Server
from deston.l7.incoming import Incoming
from deston.net import hub as hubs
from deston.net.byte_stream import ByteStream


class ServerConnection:
    """One connection to a server; ``opened`` is when it was, on the monotonic clock in seconds."""

    __slots__ = ("endpoint", "incoming", "is_certain", "opened", "server", "stream", "until")

    def __init__(self, server: Server, endpoint: Address | None, stream: ByteStream, opened: float) -> None:
        self.server = server
        # The monitor may move the server meanwhile.
        self.endpoint = endpoint
        self.stream = stream
        self.incoming = Incoming(stream)
        self.opened = opened
        #: Whether the last response had a body; after one without, a server may send what belongs to none.
        self.is_certain = True
        #: Until when it may idle.
        self.until = 0.0


class ConnectionCache:
    """Idle connections by server, the last one used first: the others may then grow old and go."""

    def __init__(self) -> None:
        self._idle: dict[Server, list[ServerConnection]] = {}
        self.reused = 0
        self.stale = 0
        self._finest = float("inf")
        self._sweeper = hubs.sweeper()
        self._sweeper.watched.add(self)

    def take(self, server: Server, is_replayable: bool, now: float) -> ServerConnection | None:
        """An idle connection that is still open, or None; ``now`` is the time on the monotonic clock.

        Where a request is replayable, what the hub has seen of the connection is enough: the server may be closing it
        at this moment in any case.
        """
        idle = self._idle.get(server)
        while idle:
            one = idle.pop()
            # Nearly always it is the same address, and to compare two costs a call.
            if one.until > now and (one.endpoint is server.endpoint or one.endpoint == server.endpoint):
                stream = one.stream
                if (is_replayable and one.is_certain and stream.has_been_quiet) or stream.is_quiet():
                    self.reused += 1
                    return one
            self.stale += 1
            one.stream.close()
        return None

    def put(self, connection: ServerConnection, seconds: float, most: int, oldest: float, now: float) -> None:
        """Keep a connection for ``seconds`` from ``now``, and until it is as old as ``oldest`` in seconds.

        It is closed where ``most`` are kept already.
        """
        server = connection.server
        idle = self._idle.get(server)
        if idle is None:
            idle = self._idle[server] = []
        if len(idle) >= most or seconds <= 0:
            connection.stream.close()
            return
        if seconds < self._finest:
            self._finest = seconds
            self._sweeper.refine(seconds)
        connection.until = min(now + seconds, connection.opened + oldest)
        idle.append(connection)

    def sweep(self, now: float) -> None:
        """Close what is over its time; runs in the hub."""
        for server, idle in list(self._idle.items()):
            kept = [one for one in idle if one.until > now]
            for one in idle:
                if one.until <= now:
                    one.stream.close()
            if kept:
                self._idle[server] = kept
            else:
                del self._idle[server]

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def __repr__(self) -> str:
        return f"<ConnectionCache {len(self)} idle, {self.reused} reused, {self.stale} stale>"


def connection_cache() -> ConnectionCache:
    """The connection cache of the current hub."""
    return hubs.one_for_hub(ConnectionCache)
