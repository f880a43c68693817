"""One request with its response: connections, tries, and what becomes of them.

What lives here: lease, connection (cached or dialed), send, receive, retry by exclusion.
What must not: routes, header rules, WSGI.
Invariant: however an exchange ends, its lease is released once, and its connection is closed, or idle in the
cache with nothing left to read on it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from deston.address import Address
from deston.balancer.pool import Lease, Pool
from deston.balancer.server import Server
from deston.errors import (
    BadResponse,
    ConnectError,
    DestonError,
    NoServerAvailable,
    OutOfDescriptors,
    StreamEnded,
    StreamError,
    StreamReset,
)
from deston.l7 import http1
from deston.l7.body import Incoming, RequestBody, ResponseBody, response_body
from deston.l7.cache import ConnectionCache
from deston.l7.headers import connection_options, without_hop_by_hop
from deston.l7.http1 import Framing
from deston.l7.request import Response, Tunnel
from deston.l7.retry import RetryBudget, is_replayable, may_retry
from deston.net.hub import Turn
from deston.net.stream import ByteStream

log = logging.getLogger("deston.l7")

#: Opens a connection to a server of a pool: TCP, and TLS on it where the server asks for that.
Connect = Callable[[Pool, Server], ByteStream]

_KEEP_ALIVE_TIMEOUT = re.compile(rb"timeout=([0-9]{1,6})", re.IGNORECASE)
SWITCHING = 101
_NO_OPTIONS: frozenset[bytes] = frozenset()
# A server counts from when it sent, we from when we received.
KEEP_ALIVE_MARGIN = 1.0


@dataclass(slots=True)
class Outgoing:
    """A request as it goes to a server: ``head`` makes its bytes for the one that was picked.

    ``may_switch`` is whether it asks for another protocol.
    """

    method: bytes
    head: Callable[[Server], bytes]
    body: RequestBody
    may_switch: bool = False


class Exchange:
    """Carries one request to a server of a pool, and its response back."""

    def __init__(
        self, pool: Pool, outgoing: Outgoing, connect: Connect, cache: ConnectionCache, budget: RetryBudget
    ) -> None:
        self._pool = pool
        self._outgoing = outgoing
        self._connect = connect
        self._cache = cache
        self._budget = budget
        self._endpoint: Address | None = None

    def run(self, key: str) -> Response:
        """The response of a server; a try that failed goes to another server where that is allowed.

        ``key`` is what hashing policies hash. Raises ``NoServerAvailable`` or what the last try failed with.
        """
        body = self._outgoing.body
        if not body.is_empty:
            # Whatever the client takes for its first bytes, no lease is held and no idle connection grows stale.
            body.read()
            body.rewind()
        self._budget.request(time.monotonic())
        tried: list[Server] = []
        lease = self._pool.lease(key)
        while True:
            try:
                return self._try(lease)
            except DestonError as error:
                lease.release()
                tried.append(lease.server)
                following = self._next_lease(key, tried, error)
                if following is None:
                    raise
                lease = following
            except BaseException:
                lease.release()
                raise

    def _next_lease(self, key: str, tried: list[Server], error: DestonError) -> Lease | None:
        """A lease on another server after a try that failed with ``error``; None where no try may follow."""
        name = f"{self._pool.name}/{tried[-1].name}"
        retries = self._pool.config.retries
        if not may_retry(error, self._replayable, len(tried), retries, self._budget, time.monotonic()):
            log.info("%s: %s", name, error)
            return None
        try:
            lease = self._pool.lease(key, tried)
        except NoServerAvailable:
            log.info("%s: %s, and there is no other server", name, error)
            return None
        log.info("%s: %s, trying another server", name, error)
        self._outgoing.body.rewind()
        return lease

    @property
    def _replayable(self) -> bool:
        return is_replayable(self._outgoing.method, self._outgoing.body.replayable)

    def _try(self, lease: Lease) -> Response:
        self._endpoint = lease.server.endpoint  # The monitor may move the server before the exchange is over.
        try:
            return self._try_cached(lease) or self._exchange(self._connect_to(lease), lease)
        except ConnectError:
            raise
        except (StreamError, BadResponse):
            lease.failed()
            raise

    def _try_cached(self, lease: Lease) -> Response | None:
        """The response over an idle connection; None where there is none, or the server was just closing it.

        That is no fault of the server and costs no try (defaults.md, "Stale pooled connection").
        """
        stream = self._cache.take(lease.server)
        if stream is None:
            return None
        try:
            return self._exchange(stream, lease)
        except (StreamReset, StreamEnded):
            if not self._replayable:
                raise
            self._cache.stale += 1
            self._outgoing.body.rewind()
            return None

    def _connect_to(self, lease: Lease) -> ByteStream:
        try:
            stream = self._connect(self._pool, lease.server)
        except OutOfDescriptors:
            raise
        except ConnectError:
            lease.failed()
            raise
        lease.reached()
        return stream

    def _exchange(self, stream: ByteStream, lease: Lease) -> Response:
        incoming = Incoming(stream)
        try:
            stream.expire_after(self._pool.config.server_timeout)
            early = self._send(incoming, lease.server)
            sent = time.monotonic()
            head = early or _read_head(incoming, self._outgoing.may_switch)
            framing, length = http1.response_framing(self._outgoing.method, head)
        except StreamError:
            stream.close()
            raise
        except BaseException:
            # Half a request must not look like a whole one.
            stream.abort()
            raise
        options = connection_options(head.named)
        body = response_body(framing, length, incoming)
        reading = _Reading(self._pool, lease, self._endpoint, self._cache, incoming, body)
        if early is None:
            lease.server.observe_latency(time.monotonic() - sent)
            reading.idle_seconds = 0.0 if framing is Framing.CLOSE else self._idle_seconds(head, options)
        if head.status == SWITCHING:
            return self._switched(head, reading)
        known = None if framing in (Framing.CHUNKED, Framing.CLOSE) else length
        fields = without_hop_by_hop(head.fields, options)
        return Response(head.status, head.reason, fields, known, reading.read, reading.close)

    def _switched(self, head: http1.ResponseHead, reading: _Reading) -> Response:
        """The response after which the connection speaks another protocol."""
        fields = without_hop_by_hop(head.fields, _NO_OPTIONS)
        fields += [(b"Connection", b"upgrade"), *((b"Upgrade", one) for one in head.named.get(b"upgrade", ()))]
        return Response(head.status, head.reason, fields, 0, reading.read, reading.close, tunnel=reading.tunnel())

    def _send(self, incoming: Incoming, server: Server) -> http1.ResponseHead | None:
        """Send the request; the head of the response where that came before all was sent.

        A server may answer before it has everything, and may close right then: what it said is still to be read.
        """
        stream, body = incoming.stream, self._outgoing.body
        head = self._outgoing.head(server)
        if body.is_empty:
            stream.write(head)
            return None
        piece = body.read()
        try:
            stream.write(head + self._framed(piece))
            turn = Turn()
            while piece:
                turn.give_way()
                server.bytes_in += len(piece)
                piece = body.read()
                if not piece and body.length is not None:
                    break
                early = _read_early_head(incoming)
                if early is not None:
                    return early
                # The client may have taken its time; the server's begins anew with each piece.
                stream.expire_after(self._pool.config.server_timeout)
                stream.write(self._framed(piece))
        except StreamReset:
            return _read_head(incoming, False)
        stream.expire_after(self._pool.config.server_timeout)
        return None

    def _framed(self, piece: bytes) -> bytes:
        """A piece of the body as it is sent; an empty one ends it."""
        if self._outgoing.body.length is not None:
            return piece
        return http1.chunk(piece) if piece else http1.LAST_CHUNK

    def _idle_seconds(self, head: http1.ResponseHead, options: frozenset[bytes]) -> float:
        """How long the connection may idle after the response, 0.0 where the server closes it."""
        if not http1.keeps_alive(head, options):
            return 0.0
        most = self._pool.config.idle_timeout
        for value in head.named.get(b"keep-alive", ()):
            match = _KEEP_ALIVE_TIMEOUT.search(value)
            if match:
                most = min(most, float(match[1]) - KEEP_ALIVE_MARGIN)
        return max(0.0, most)


def _read_head(incoming: Incoming, may_switch: bool) -> http1.ResponseHead:
    """The head of the final response; interim ones are passed over, the deadline bounds how many."""
    while True:
        head = _read_one_head(incoming, may_switch)
        if head.status >= 200 or head.status == SWITCHING:
            return head


def _read_early_head(incoming: Incoming) -> http1.ResponseHead | None:
    """The head of a final response if the server has begun one already; interim ones are passed over."""
    while not incoming.is_empty or incoming.stream.has_input():
        head = _read_one_head(incoming)
        if head.status >= 200:
            return head
    return None


def _read_one_head(incoming: Incoming, may_switch: bool = False) -> http1.ResponseHead:
    try:
        data = incoming.read_until(http1.END_OF_HEAD, http1.LARGEST_RESPONSE_HEAD, BadResponse)
    except (StreamReset, StreamEnded) as error:
        if incoming.is_empty:
            raise
        raise BadResponse("the server broke off within the head of its response") from error
    head = http1.parse_response_head(data)
    if head.status == SWITCHING and not may_switch:
        raise BadResponse("the server switches protocols, which nobody asked for")
    return head


class _Reading:
    """A response's body on its way, and what becomes of its connection and lease at the end."""

    __slots__ = ("_body", "_cache", "_endpoint", "_incoming", "_lease", "_open", "_pool", "idle_seconds")

    def __init__(
        self,
        pool: Pool,
        lease: Lease,
        endpoint: Address | None,
        cache: ConnectionCache,
        incoming: Incoming,
        body: ResponseBody,
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._endpoint = endpoint
        self._cache = cache
        self._incoming = incoming
        self._body = body
        self._open = True
        self.idle_seconds = 0.0

    def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises ``StreamError`` where the server breaks off."""
        if not self._open:
            return b""
        self._incoming.stream.expire_after(self._pool.config.server_timeout)
        try:
            piece = self._body.read()
        except BaseException as error:
            if isinstance(error, (StreamError, BadResponse)):
                self._lease.failed()
            self.close()
            raise
        self._lease.server.bytes_out += len(piece)
        if self._body.complete:
            self.close()
        return piece

    def tunnel(self) -> Tunnel:
        """The connection as one that speaks another protocol; it never goes back to the cache."""
        self.idle_seconds = 0.0
        incoming, config, server = self._incoming, self._pool.config, self._lease.server

        def count(to_server: int, from_server: int) -> None:
            server.bytes_in += to_server
            server.bytes_out += from_server

        return Tunnel(incoming.stream, incoming.rest(), config.tunnel_timeout, config.half_close_timeout, count)

    def close(self) -> None:
        """Give the connection back if it is fit for another exchange, else close it; and release the lease."""
        if not self._open:
            return
        self._open = False
        stream = self._incoming.stream
        if self._body.complete and self._incoming.is_empty and self.idle_seconds:
            stream.expire_after(float("inf"))
            most = self._pool.config.max_idle_connections
            self._cache.put(self._lease.server, self._endpoint, stream, self.idle_seconds, most)
        else:
            stream.close()
        self._lease.release()
