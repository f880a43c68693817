"""A udp listener: datagrams to servers, answers back, and the sessions that tie them together.

What lives here: finding or opening the session of a datagram, and the ends of sessions.
What must not: one session's own business (``session.py``), flows without answers (``one_way.py``), sockets
(``net.datagram``), choosing (``balancer``).
Invariant: there are never more sessions than the listener allows, and one that was silent for its timeout ends at the
next look. No greenlet belongs to any of them: callbacks of the hub move the datagrams, and never wait.
"""

from __future__ import annotations

import logging
import time
from _socket import socket as RawSocket
from collections import OrderedDict
from collections.abc import Iterable

from deston.access.log import AccessLog
from deston.address import Address
from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.http_rules import RouteConfig
from deston.config.model import ANY_NUMBER, ListenerConfig, SendProxyProtocol
from deston.errors import ConnectError, DestonError, OutOfDescriptors
from deston.l4.one_way import OneWay
from deston.l4.record import ENDINGS, Record
from deston.l4.refusals import Refusal, Refusals, Refused, refusal_of
from deston.l4.session import Session
from deston.limits import AccessRules
from deston.net import hub as hubs
from deston.net.byte_stream import Bytes
from deston.net.datagram import NOT_TAKEN, DatagramListener, Peer, Readiness, connect_datagram
from deston.net.proxy_protocol import proxy_header_v2
from deston.net.relay import Ending
from deston.traffic import traffic

log = logging.getLogger("deston.l4")

# Datagrams of clients in one turn; then answers and other listeners get theirs.
BATCH = 64

# How sessions end, in the codes of ``record.py`` and in words.
ANSWERED = "--", "answered"
SILENT = "sD", "not answered"
REFUSED = "SD", "server refused"
EVICTED = "LD", "sessions"
DOWN = ENDINGS[Ending.SERVER_DOWN], Ending.SERVER_DOWN.value
CUT = ENDINGS[Ending.CUT], Ending.CUT.value


class UdpProxy:
    """Serves the datagrams of one listener.

    What ``configure`` changes counts for the sessions that come after.
    """

    def __init__(self, registry: Registry, config: ListenerConfig, listening: DatagramListener) -> None:
        self.registry = registry
        #: Where a line goes for each session, if anywhere.
        self.access_log: AccessLog | None = None
        self.refusals = Refusals()
        #: Datagrams that a socket did not take, either way.
        self.dropped = 0
        # The one that was silent the longest comes first.
        self.sessions: OrderedDict[Peer, Session] = OrderedDict()
        self._by_descriptor: dict[int, Session] = {}
        self._one_way = OneWay()
        self._listening = listening
        self._scratch = hubs.scratch()
        self._readiness = Readiness(self._on_answers)
        self.configure(config)

    def configure(self, config: ListenerConfig, routes: Iterable[RouteConfig] = ()) -> None:
        """Take over what a reload changed of the listener; routes are for TCP alone."""
        self.config = config
        self._access = AccessRules(config.allow, config.deny)
        hubs.sweeper().refine(config.session_timeout)

    def start(self) -> None:
        """Serve from now on."""
        hubs.sweeper().watched.add(self)
        self._listening.watch(self._on_datagrams)

    def _on_datagrams(self) -> None:
        """Pass on what clients have sent; runs in the hub."""
        receive, scratch, known, now = self._listening.receive, self._scratch, self.sessions.get, time.monotonic()
        for _ in range(BATCH):
            try:
                count, peer = receive(scratch)
            except OSError:  # There is none, or an earlier answer was refused, which nobody waits for.
                return
            try:
                session = known(peer) or self._begin(peer, scratch[:count], now)
                if session is not None:
                    self._pass_on(session, scratch[:count], now)
            except DestonError as error:
                self._refuse(peer, error)

    def _pass_on(self, session: Session, data: memoryview, now: float) -> None:
        try:
            session.transmit(data)
        except OSError as error:
            if error.errno in NOT_TAKEN:
                self.dropped += 1
                return
            session = self._elsewhere(session, data, now)
        session.is_answered = False
        session.quiet_since = now
        session.bytes_in += len(data)
        session.due += self.config.responses
        self.sessions.move_to_end(session.peer)

    def _begin(self, peer: Peer, data: memoryview, now: float) -> Session | None:
        """A session for a client that has none; None where the datagram is gone already, as nobody answers it."""
        if self.config.responses:
            return self._open(peer, now)
        self._pass_on_one_way(peer, data, now)
        return None

    def _elsewhere(self, session: Session, data: memoryview, now: float) -> Session:
        """Have another server for a client whose own has refused a datagram, and send it this one."""
        self._fail(session)
        other = self._open(session.peer, now, (session.lease.server,))
        try:
            other.transmit(data)
        except OSError as error:
            self._fail(other)
            raise ConnectError(f"{other.lease.server.address}: {error.strerror}") from error
        return other

    def _pass_on_one_way(self, peer: Peer, data: memoryview, now: float) -> None:
        pool = self._pool_for(peer)
        introduction = self._introduction(pool, peer)
        parts: list[Bytes] = [introduction, data] if introduction else [data]
        if not self._one_way.send(pool, self._listening.address_of(peer)[0], parts, now):
            self.dropped += 1
            return
        traffic[self.config.name].received += sum(map(len, parts))

    def _pool_for(self, peer: Peer) -> Pool:
        if not self._access.is_trivial and not self._access.permit(self._listening.address_of(peer)[0]):
            raise Refused(Refusal.DENIED)
        return self.registry.pool(self.config.pool)

    def _open(self, peer: Peer, now: float, exclude: tuple[Server, ...] = ()) -> Session:
        """A session for a client that has none."""
        pool = self._pool_for(peer)
        while len(self.sessions) >= self.config.max_sessions:  # More than one, where a reload has lowered it.
            self.end(next(iter(self.sessions.values())), EVICTED)
        lease = pool.lease(self._listening.address_of(peer)[0], exclude)
        try:
            raw = self._connect(lease)
        except ConnectError as error:
            lease.release()
            if not isinstance(error, OutOfDescriptors):
                lease.failed()
            raise
        session = Session(peer, lease, raw, self._introduction(pool, peer), now)
        self.sessions[peer] = session
        self._by_descriptor[session.descriptor] = session
        return session

    def _connect(self, lease: Lease) -> RawSocket:
        raw = connect_datagram(lease.server.endpoint_or_fail(), lease.pool.config.source_address)
        try:
            self._readiness.add(raw)
        except OutOfDescriptors:
            raw.close()
            raise
        return raw

    def _introduction(self, pool: Pool, peer: Peer) -> bytes:
        """What stands before each datagram, so that a server can tell clients apart."""
        if pool.config.send_proxy_protocol is SendProxyProtocol.OFF:
            return b""
        listening = self._listening
        return proxy_header_v2(listening.address_of(peer), listening.local_address(peer), datagram=True)

    def _on_answers(self, ready: list[tuple[int, int]]) -> None:
        """Pass on what servers have sent, a datagram of each; runs in the hub."""
        by_descriptor, scratch = self._by_descriptor, self._scratch
        now = time.monotonic()
        for descriptor, _ in ready:
            session = by_descriptor.get(descriptor)
            if session is None:  # It has ended in this very turn.
                continue
            try:
                count = session.receive(scratch)
            except BlockingIOError:
                continue
            except OSError:
                self._fail(session)
                continue
            self._answer(session, scratch[:count], now)

    def _answer(self, session: Session, data: memoryview, now: float) -> None:
        try:
            self._listening.reply(data, session.peer)
        except OSError:
            self.dropped += 1
        if not session.bytes_out:
            session.take_first_answer(now)
        session.is_answered = True
        session.quiet_since = now
        session.bytes_out += len(data)
        session.due -= 1
        if session.due <= 0 and self.config.responses != ANY_NUMBER:
            self.end(session)
        else:
            self.sessions.move_to_end(session.peer)

    def _fail(self, session: Session) -> None:
        """A server has refused a datagram."""
        session.lease.failed()
        self.end(session, REFUSED)

    def end(self, session: Session, why: tuple[str, str] = ANSWERED) -> None:
        """End a session; its client's next datagram begins another one."""
        del self.sessions[session.peer]
        del self._by_descriptor[session.descriptor]
        session.close()
        traffic[self.config.name].add(session.bytes_in, session.bytes_out)
        if self.access_log is not None:
            self.access_log.write(self._record(session, why).line(self.config.access_log_format))

    def _record(self, session: Session, why: tuple[str, str]) -> Record:
        lease = session.lease
        record = Record(self.config.name)
        record.wall_clock -= record.started - session.started
        record.started = session.started
        record.client = self.client_of(session)
        record.pool, record.server, record.tries = lease.pool.name, lease.server.name, 1
        record.bytes_in, record.bytes_out = session.bytes_in, session.bytes_out
        record.ends(*why)
        return record

    def client_of(self, session: Session) -> str:
        """The address of a session's client."""
        return str(Address(*self._listening.address_of(session.peer)))

    def _refuse(self, peer: Peer, error: DestonError) -> None:
        self.refusals.add(refusal_of(error))
        log.debug("%s: a datagram of %s was refused: %s", self.config.name, self._listening.address_of(peer)[0], error)

    def sweep(self, now: float) -> None:
        """End the sessions that were silent for too long, or whose server is down or gone, if the pool asks for it."""
        oldest = now - self.config.session_timeout
        while self.sessions:
            session = next(iter(self.sessions.values()))
            if session.quiet_since > oldest:
                break
            self.end(session, ANSWERED if session.is_answered else SILENT)
        self._one_way.forget_where(lambda used: used < oldest)
        for session in list(self.sessions.values()):
            if session.lease.server.ends_at <= now:
                self.end(session, DOWN)

    @property
    def unanswered(self) -> int:
        """How many sessions wait for an answer."""
        return sum(not session.is_answered for session in self.sessions.values())

    def stop_receiving(self) -> None:
        """Take no more datagrams, and still pass answers on."""
        self._listening.hear_nobody()

    def close(self) -> None:
        """End every session, and close the listener."""
        hubs.sweeper().watched.discard(self)
        for session in list(self.sessions.values()):
            self.end(session, CUT)
        self._one_way.forget_where(lambda used: True)
        self._readiness.close()
        self._listening.close()

    def __repr__(self) -> str:
        return f"<UdpProxy {self.config.name}, {len(self.sessions)} sessions>"
