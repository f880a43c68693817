"""One request with its response: leases, connections and tries.

What lives here: lease, connection (cached or dialed), retry by exclusion, and what becomes of the connection.
What must not: routes, header rules, WSGI, the order of bytes on one connection (``attempt``).
Invariant: however an exchange ends, its lease is released once, and its connection is closed, or idle in the
cache with nothing left to read on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.clock import monotonic
from deston.errors import (
    AllServersFull,
    ApplicationError,
    BadResponse,
    ConnectError,
    DestonError,
    NoServerAvailable,
    OutOfDescriptors,
    StreamEnded,
    StreamError,
    StreamReset,
)
from deston.l7 import hosted, http1
from deston.l7.attempt import Rest, read_head, send
from deston.l7.body import NO_BODY, response_body
from deston.l7.cache import ConnectionCache, ServerConnection
from deston.l7.headers import without_hop_by_hop
from deston.l7.http1 import Framing, ResponseHead
from deston.l7.leaving import NO_WATCH, ClientWatch
from deston.l7.opening import Opening
from deston.l7.plan import Plan, plan_of
from deston.l7.reading import Reading, give_back
from deston.l7.request import Request, Response
from deston.l7.retry import SAFE_METHODS, RetryBudget, may_retry
from deston.net.byte_stream import Bytes, ByteStream
from deston.repeats import seldom
from deston.waiting import Interruptible, Watching, lease_when_free

log: Final = logging.getLogger("deston.l7")

#: Opens a connection to a server of a pool: TCP, and TLS on it where the server asks for that.
Connect = Callable[[Pool, Server], ByteStream]

_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_SERVER_ERROR: Final = 500


class Exchange:
    """Carries one request to a server of a pool, and its response back.

    ``opening`` is how the request begins. ``key`` is what hashing policies hash. ``registry`` is where the pool has a
    successor after a reload; without it nobody waits for a server that has room. ``preferred`` is the server whose
    client it is that asks.
    """

    __slots__ = (
        "_budget", "_cache", "_config", "_connect", "_is_safe", "_key", "_opening", "_pool", "_preferred", "_request",
        "_registry", "server",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        request: Request,
        opening: Opening,
        connect: Connect,
        cache: ConnectionCache,
        budget: RetryBudget,
        key: str = "",
        registry: Registry | None = None,
        preferred: Server | None = None,
    ) -> None:
        self._key = key
        self._registry = registry
        self._preferred = preferred
        self._pool = pool
        self._config = pool.config
        self._request = request
        self._opening = opening
        self._connect = connect
        self._cache = cache
        self._budget = budget
        self._is_safe = request.method in SAFE_METHODS

    def run(self) -> Response:
        """The response of a server, which is ``server`` then; a try that failed goes to another where that is allowed.

        Raises ``NoServerAvailable`` and its kinds, or what the last try failed with.
        """
        request = self._request
        body, request.began = request.body, monotonic()
        now = request.began
        if body is not NO_BODY and not body.is_empty and (not request.expects or body.is_at_hand()):
            # Whatever the client takes for its first bytes, no lease is held and no idle connection grows stale.
            body.read()
            body.rewind()
            now = monotonic()
            if self._registry is not None:  # That may have taken long enough for an operator to change the pool.
                self._pool = self._registry.current(self._pool)
        self._budget.request(now)
        tried: list[Server] = []
        pool = self._pool
        try:
            # What nearly always happens is not worth a call.
            first = None if pool.queue.waiting else pool.lease(self._key, (), self._preferred)
        except AllServersFull:
            first = None
        if first is None:
            lease, now = self._lease_when_free(), monotonic()
        else:
            lease = first
        while True:
            self.server, request.lease = lease.server, lease
            try:
                response = self._try(lease, now)
                if self._config.mark_statuses:
                    lease.judge(response.status)
                if response.status not in self._config.retry_on.statuses:
                    return response
                following = self._lease_after_status(tried, lease, response)
                if following is None:
                    return response
            except DestonError as error:
                lease.release()
                tried.append(lease.server)
                following = self._next_lease(tried, error)
                if following is None:
                    raise
            except BaseException:
                lease.release()
                raise
            lease, now = following, monotonic()

    def _lease_when_free(self) -> Lease:
        """A lease after a while in the pool's queue: all servers are full, or others wait already."""
        registry, record = self._registry, self._request.record
        if registry is None:
            return self._pool.lease(self._key, (), self._preferred)
        began = monotonic()
        try:
            return lease_when_free(registry, self._pool, self._key, (), self._preferred, self._watch_queue)
        finally:
            if record is not None:
                record.queue = monotonic() - began

    def _watch_queue(self, waiter: Interruptible) -> Watching:
        """Look whether the client leaves while it waits."""
        request = self._request
        return NO_WATCH if request.stream is None else ClientWatch(request.stream, waiter, request.minor_version > 0)

    def _next_lease(self, tried: list[Server], error: DestonError) -> Lease | None:
        """A lease on another server after a try that failed with ``error``; None where no try may follow."""
        config = self._config
        causes = config.retry_on.causes
        if not may_retry(error, self._replayable, len(tried), config.retries, self._budget, monotonic(), causes):
            if error.http_status >= _SERVER_ERROR:
                seldom(log, logging.INFO, "%s/%s: %s", self._pool.name, tried[-1].name, str(error))
            else:  # What a client did wrong is no news of the server.
                log.debug("%s/%s: %s", self._pool.name, tried[-1].name, error)
            return None
        return self._lease_on_another(tried, str(error))

    def _lease_after_status(self, tried: list[Server], lease: Lease, response: Response) -> Lease | None:
        """A lease on another server after a response that is not wanted, which is closed; None where it has to do."""
        fits = self._replayable and len(tried) < self._config.retries and response.tunnel is None
        if not fits or not self._budget.take(monotonic()):
            return None
        tried.append(lease.server)
        following = self._lease_on_another(tried, f"it answered {response.status}")
        if following is not None:
            response.close()
        return following

    def _lease_on_another(self, tried: list[Server], why: str) -> Lease | None:
        name = f"{self._pool.name}/{tried[-1].name}"
        if self._registry is not None:  # Meanwhile an operator may have taken out what the old pool would pick.
            self._pool = self._registry.current(self._pool)
        try:
            lease = self._pool.lease(self._key, tried)
        except NoServerAvailable:
            seldom(log, logging.INFO, "%s: %s, and there is no other server", name, why)
            return None
        seldom(log, logging.INFO, "%s: %s, trying another server", name, why)
        self._pool.retried += 1
        self._request.body.rewind()
        return lease

    @property
    def _replayable(self) -> bool:
        return self._is_safe and self._request.body.replayable

    def _try(self, lease: Lease, now: float) -> Response:
        record = self._request.record
        if record is not None:
            record.tries += 1
            record.pool, record.server, record.connect = self._pool.name, lease.server.name, 0.0
            record.queue = max(record.queue, 0.0)
        if lease.server.is_hosted:
            return self._call(lease)
        try:
            connection = self._cache.take(lease.server, self._replayable, now)
            response = None if connection is None else self._try_cached(connection, lease, now)
            if response is not None:
                return response
            connection = self._connect_to(lease)
            return self._exchange(connection, lease, connection.opened)
        except ConnectError:
            raise
        except (StreamError, BadResponse):
            lease.failed()
            raise

    def _call(self, lease: Lease) -> Response:
        """The response of an application in this process."""
        began = monotonic()
        try:
            response = hosted.call(lease, self._request, self._opening.to(lease.server))
        except (ApplicationError, BadResponse):
            lease.server.failures += 1
            raise
        answered_after = monotonic() - began
        if self._request.record is not None:
            self._request.record.first_byte = answered_after
        lease.answered(answered_after)
        return response

    def _try_cached(self, connection: ServerConnection, lease: Lease, now: float) -> Response | None:
        """The response over an idle connection; None where the server was just closing it.

        That is no fault of the server and costs no try (defaults.md, "Stale pooled connection").
        """
        try:
            return self._exchange(connection, lease, now)
        except (StreamReset, StreamEnded):
            if not self._replayable:
                raise
            self._cache.stale += 1
            self._request.body.rewind()
            return None

    def _connect_to(self, lease: Lease) -> ServerConnection:
        server, record = lease.server, self._request.record
        endpoint = server.endpoint
        began = monotonic()
        try:
            stream = self._connect(self._pool, server)
        except OutOfDescriptors:
            raise
        except ConnectError:
            lease.failed()
            raise
        lease.reached()
        opened = monotonic()
        if record is not None:
            record.connect = opened - began
        return ServerConnection(server, endpoint, stream, opened)

    def _exchange(self, connection: ServerConnection, lease: Lease, now: float) -> Response:
        stream, incoming, request = connection.stream, connection.incoming, self._request
        timeout = self._config.server_timeout
        watch: ClientWatch | None = None
        try:
            early = send(incoming, request, self._opening.to(lease.server), lease.server, timeout, now)
            sent = now if request.body is NO_BODY else monotonic()
            if request.stream is not None:
                watch = ClientWatch(request.stream, stream, early is None and request.minor_version > 0)
            head = early or read_head(incoming, request, timeout)
            plan = plan_of(head, request)
        except BaseException as error:
            if watch is not None:
                watch.end()
            # Half a request must not look like a whole one.
            stream.close() if isinstance(error, StreamError) else stream.abort()
            raise
        idle_seconds = 0.0
        answered = monotonic()
        answered_after = answered - sent
        if request.record is not None:
            request.record.first_byte = answered_after
        if early is None:
            lease.answered(answered_after)
            connection.is_certain = plan.framing is not Framing.NONE
            idle_seconds = min(plan.idle_seconds, self._config.idle_timeout)
            if plan.length is not None and head.status != http1.SWITCHING:
                whole = incoming.take_whole(plan.body_length) if plan.body_length else b""
                if whole is not None:
                    if watch is not None:
                        watch.end()
                    lease.lasted(answered_after)
                    give_back(connection, self._cache, self._config, idle_seconds, answered)
                    return self._at_once(lease, head, plan, whole)
        if watch is not None and head.status == http1.SWITCHING:
            watch.end()  # The relay sees for itself.
            watch = None
        body = response_body(plan.framing, plan.body_length, incoming)
        rest = None if early is None else Rest(incoming, request, lease.server, timeout)
        reading = Reading(
            self._config, lease, self._cache, connection, body, watch, rest, idle_seconds, sent,
            request.carried, request.record,
        )  # fmt: skip
        if head.status == http1.SWITCHING:
            return self._switched(head, reading)
        return Response(
            head.status, head.reason, plan.fields, plan.length, reading.read, reading.close,
            trailers=reading.trailers, is_at_hand=reading.is_at_hand, send_to=reading.send_to,
        )  # fmt: skip

    def _at_once(self, lease: Lease, head: ResponseHead, plan: Plan, whole: Bytes) -> Response:
        """A response that is there as a whole: nothing of it holds the lease."""
        lease.server.bytes_out += len(whole)
        self._request.carried.sent += len(whole)
        lease.release()
        return Response(head.status, head.reason, plan.fields, plan.length, whole=whole)

    def _switched(self, head: ResponseHead, reading: Reading) -> Response:
        """The response after which the connection speaks another protocol."""
        fields = without_hop_by_hop(head.fields, _NO_OPTIONS)
        fields += [(b"Connection", b"upgrade"), *((b"Upgrade", one) for one in head.named.get(b"upgrade", ()))]
        return Response(head.status, head.reason, fields, 0, reading.read, reading.close, tunnel=reading.tunnel())
