"""A response's body on its way, and what becomes of its connection.

What lives here: reading it piece by piece, and the end: the connection back to the cache or closed, the lease released.
What must not: sending, retries, the framings themselves (``body``).
Invariant: however it ends, its lease is released once, and its connection is closed, or idle in the cache with nothing
left to read on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from deston.balancer.pool import Lease
from deston.clock import monotonic
from deston.config.model import PoolConfig
from deston.errors import BadResponse, StreamError
from deston.l7.attempt import Rest
from deston.l7.body import ResponseBody
from deston.l7.cache import ConnectionCache, ServerConnection
from deston.l7.fields import Field
from deston.l7.headers import fit_trailers
from deston.l7.leaving import ClientWatch
from deston.l7.record import Record, code_of_break
from deston.l7.request import Tunnel
from deston.net import hub as hubs
from deston.net.byte_stream import Bytes, ByteStream
from deston.net.hub import Turn
from deston.traffic import Traffic

# What is read at a time at first, and again after the client did not keep up; it doubles while the client takes all.
FIRST_READ: Final = 64 * 1024
LARGEST_READ: Final = 1 << 20

Piece = TypeVar("Piece", bytes, Bytes)


def give_back(
    connection: ServerConnection, cache: ConnectionCache, config: PoolConfig, idle_seconds: float, now: float
) -> None:
    """Keep a connection on which nothing is left to read for the next exchange, where it is fit for one."""
    if not idle_seconds or not connection.incoming.is_empty:
        connection.stream.close()
        return
    cache.put(connection, idle_seconds, config.max_idle_connections, config.max_connection_age, now)


class Reading:
    """The body of one response. ``idle_seconds`` is how long its connection may idle afterwards, 0.0 for not at all.

    ``sent`` is when the request was sent, in seconds of the monotonic clock.
    """

    __slots__ = (
        "_body", "_cache", "_carried", "_config", "_connection", "_lease", "_open", "_record", "_rest", "_sent",
        "_watch", "idle_seconds",
    )  # fmt: skip

    def __init__(
        self,
        config: PoolConfig,
        lease: Lease,
        cache: ConnectionCache,
        connection: ServerConnection,
        body: ResponseBody,
        watch: ClientWatch | None,
        rest: Rest | None,
        idle_seconds: float,
        sent: float,
        carried: Traffic,
        record: Record | None = None,
    ) -> None:
        self._record = record
        self._carried = carried
        self._config = config
        self._lease = lease
        self._cache = cache
        self._connection = connection
        self._body = body
        self._watch = watch
        if watch is not None:
            watch.response_begins()
        self._rest = rest
        self._open = True
        self._sent = sent
        self.idle_seconds = idle_seconds

    def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises ``StreamError`` where the server breaks off."""
        return self._piece(self._body.read) if self._open else b""

    def _piece(self, read: Callable[[], Piece]) -> Piece:
        try:
            if self._rest is not None and not self._body.is_at_hand():
                self._rest.go_on()
            self._connection.stream.expire_after(self._config.server_timeout)
            piece = read()
        except BaseException as error:
            if isinstance(error, (StreamError, BadResponse)):
                self._lease.failed()
                if self._record is not None:
                    self._record.code = code_of_break(error)
            self.close()
            raise
        self._lease.server.bytes_out += len(piece)
        self._carried.sent += len(piece)
        if self._body.complete:
            self.close()
        return piece

    def send_to(self, client: ByteStream, turn: Turn, count: Callable[[int], None]) -> None:
        """Send what is left of the body to a client, as it comes and as it is; ``count`` is told the bytes of a piece.

        Through the hub's scratch buffer, so that nothing is copied but what the client does not take at once. Raises as
        ``read`` does, and what the client's stream raises.
        """
        scratch, limit = hubs.scratch(), FIRST_READ
        while self._open:
            piece = self._piece(partial(self._body.read_some, scratch[:limit]))
            count(len(piece))
            if not client.write_shared(piece):
                limit = FIRST_READ
            elif len(piece) == limit < LARGEST_READ:
                limit *= 2
            turn.give_way()

    def is_at_hand(self) -> bool:
        """Whether a read would return at once."""
        return not self._open or self._body.is_at_hand() or self._connection.stream.has_input()

    def trailers(self) -> Sequence[Field]:
        """The fields behind the body, once its end was read."""
        return fit_trailers(self._body.trailers)

    def tunnel(self) -> Tunnel:
        """The connection as one that speaks another protocol; it never goes back to the cache."""
        self.idle_seconds = 0.0
        config, server, carried = self._config, self._lease.server, self._carried

        def count(to_server: int, from_server: int) -> None:
            server.bytes_in += to_server
            server.bytes_out += from_server
            carried.add(to_server, from_server)

        ahead = self._connection.incoming.rest()
        stream, timeouts = self._connection.stream, (config.tunnel_timeout, config.half_close_timeout)
        return Tunnel(stream, ahead, *timeouts, count, lambda: server.ends_at)

    def close(self) -> None:
        """Give the connection back if it is fit for another exchange, else close it; and release the lease."""
        if not self._open:
            return
        self._open = False
        if self._watch is not None:
            self._watch.end()
        now = monotonic()
        give_back(self._connection, self._cache, self._config, self.idle_seconds if self._body.complete else 0.0, now)
        self._lease.lasted(now - self._sent)
        self._lease.release()
