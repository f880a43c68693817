"""The connection cache: idle connections to servers, for the next exchange.

What lives here: keeping, taking, testing for life, expiring.
What must not: opening connections, deciding whether one may be kept.
Invariant: a connection in the cache belongs to nobody else and to the cache's own hub; at most
``max_idle_connections`` of them are kept for a server, none beyond its time.
"""

from __future__ import annotations

import time

from deston.address import Address
from deston.balancer.server import Server
from deston.net import hub as hubs
from deston.net.stream import ByteStream


class _Idle:
    """One idle connection, and until when it may be used."""

    __slots__ = ("endpoint", "stream", "until")

    def __init__(self, stream: ByteStream, endpoint: Address | None, until: float) -> None:
        self.stream = stream
        self.endpoint = endpoint
        self.until = until


class ConnectionCache:
    """Idle connections by server, the last one used first: the others may then grow old and go."""

    def __init__(self) -> None:
        self._idle: dict[Server, list[_Idle]] = {}
        self.reused = 0
        self.stale = 0
        self._sweeper = hubs.sweeper()
        self._sweeper.watched.add(self)

    def take(self, server: Server) -> ByteStream | None:
        """An idle connection that is still open, or None."""
        idle = self._idle.get(server)
        while idle:
            one = idle.pop()
            if one.endpoint == server.endpoint and one.until > time.monotonic() and one.stream.is_quiet():
                self.reused += 1
                return one.stream
            self.stale += 1
            one.stream.close()
        return None

    def put(self, server: Server, endpoint: Address | None, stream: ByteStream, seconds: float, most: int) -> None:
        """Keep a connection to ``endpoint`` for ``seconds``; it is closed where ``most`` are kept already."""
        idle = self._idle.setdefault(server, [])
        if len(idle) >= most or seconds <= 0:
            stream.close()
            return
        self._sweeper.refine(seconds)
        idle.append(_Idle(stream, endpoint, time.monotonic() + seconds))

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
