"""One TCP connection, from its acceptance to its account.

What lives here: reception, lease, dial, redispatch, relay.
What must not: accepting (``server.py``), moving bytes (``net.relay``), choosing (``balancer``).
Invariant: however a connection ends, its lease and its slot are released and both sockets are closed.
"""

from __future__ import annotations

import logging
import time
from _socket import socket as RawSocket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from greenlet import GreenletExit, getcurrent

from deston.access.log import AccessLog
from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.http_rules import RouteConfig
from deston.config.model import ListenerConfig
from deston.errors import ConnectError, DestonError, NoServerAvailable, OutOfDescriptors, Retry, StreamError
from deston.l4.client import Client
from deston.l4.reception import Reception
from deston.l4.record import CUT_EARLY, ENDINGS, REFUSALS, Record
from deston.l4.refusals import Refusal, Refusals, refusal_of
from deston.l4.slots import Slots
from deston.l4.to_pool import ToPool
from deston.net.crew import crew
from deston.net.dial import Dialer, dial
from deston.net.linger import linger
from deston.net.relay import Direction, Ending, Relay, Side
from deston.net.secure_relay import SecureDirection
from deston.net.stream import Stream
from deston.repeats import seldom
from deston.traffic import traffic
from deston.waiting import lease_when_free

log = logging.getLogger("deston.l4")

# What an operator is told of; the rest is a client's own matter, and any number of clients can be made to fail.
_TOLD = (
    Refusal.NO_SERVER, Refusal.QUEUE_FULL, Refusal.QUEUE_TIMEOUT, Refusal.CONNECT, Refusal.CONNECT_TIMEOUT,
    Refusal.DESCRIPTORS, Refusal.OTHER,
)  # fmt: skip


class TcpProxy:
    """Serves the connections of one listener.

    What ``configure`` changes counts for the connections that come after. Raises ``StartError`` for a certificate that
    cannot be used.
    """

    def __init__(
        self,
        registry: Registry,
        config: ListenerConfig,
        routes: Iterable[RouteConfig] = (),
        slots: Slots | None = None,
        dialer: Dialer = dial,
    ) -> None:
        self.registry = registry
        self.slots = slots or Slots()
        #: Where a line goes for each connection, if anywhere.
        self.access_log: AccessLog | None = None
        self.refusals = Refusals()
        self.connections: set[Connection] = set()
        #: How many connections there have been.
        self.accepted = 0
        self._dial = dialer
        self._to_pools: dict[Pool, ToPool] = {}
        self.config = config
        self.reception = Reception(config, routes, registry.counts)

    def configure(self, config: ListenerConfig, routes: Iterable[RouteConfig] = ()) -> None:
        """Take over what a reload changed of the listener, of routes or of pools."""
        self.reception.configure(config, routes)
        self.config = config
        self._to_pools.clear()

    def forget_pools(self) -> None:
        """Pools have been replaced."""
        self._to_pools.clear()

    def handle(self, raw: RawSocket, address: Any) -> None:
        """Serve one client: returns when its relay runs by itself, or when there is none; for a greenlet of its own."""
        Connection(self, raw, address).serve()

    def to_pool(self, pool: Pool) -> ToPool:
        """The way from this listener to a pool."""
        way = self._to_pools.get(pool)
        if way is None:
            way = self._to_pools[pool] = ToPool(self.config, pool.config, self._dial)
        return way

    def refresh(self) -> None:
        """Take up certificates whose files have changed; for every second or so."""
        if self.reception.termination is not None:
            self.reception.termination.refresh()

    def sweep(self, now: float) -> None:
        """End the connections of servers that are down or gone, where their pool asks for it; in the hub."""
        for connection in list(self.connections):
            connection.end_if_due(now)

    def cut(self) -> None:
        """End every connection: neither side may take what it got for all that there was."""
        for connection in list(self.connections):
            connection.cut()


class Connection:
    """A client's connection.

    It has a greenlet until the relay runs; from then on callbacks of the hub move its bytes and end it.
    """

    __slots__ = ("_greenlet", "_record", "_relay", "client", "lease", "number", "proxy", "server", "started")

    def __init__(self, proxy: TcpProxy, raw: RawSocket, address: Any) -> None:
        self.proxy = proxy
        self.client = Client(raw, address)
        self.started = time.monotonic()
        self.server: Side | None = None
        self.lease: Lease | None = None
        self._relay: Relay | None = None
        self._greenlet: Any = getcurrent()
        self._record = Record(proxy.config.name) if proxy.access_log is not None else None
        #: By which an operator knows it, once one has asked.
        self.number = ""
        proxy.connections.add(self)
        proxy.accepted += 1

    @property
    def moved(self) -> tuple[int, int]:
        """How many bytes went to the server, and came from it."""
        relay = self._relay
        return (relay.from_client.count, relay.from_server.count) if relay is not None else (0, 0)

    @property
    def phase(self) -> str:
        """What it is at, in words; empty where bytes go both ways."""
        relay = self._relay
        if relay is None:
            if self.lease is None:
                return "is received, or waits for a server"
            return "connects" if self.server is None else "is being closed"
        if relay.from_client.ended or relay.from_server.ended:
            return f"half closed by the {'client' if relay.from_client.ended else 'server'}"
        return ""

    def serve(self) -> None:
        """Do all that comes before the relay, and start it."""
        proxy, client = self.proxy, self.client
        try:
            name = proxy.config.pool if proxy.reception.is_plain else proxy.reception.receive(client)
            pool = proxy.registry.pool(name)
            self._start(proxy.to_pool(pool), self._reach(pool))
        except DestonError as error:
            reason = refusal_of(error)
            proxy.refusals.add(reason)
            if reason in _TOLD:  # Which clients they were is in the access log.
                seldom(log, logging.INFO, "%s: a connection was refused: %s", proxy.config.name, str(error))
            else:
                log.debug("%s: a connection of %s was refused: %s", proxy.config.name, client, error)
            self._note_end(REFUSALS[reason], reason.value)
            self._close()
        except GreenletExit:
            self._note_end(CUT_EARLY, Ending.CUT.value)
            self._close()
            raise
        except BaseException:
            self._close()
            raise

    def _start(self, way: ToPool, server: Side) -> None:
        client = self.client
        is_plain = isinstance(client.side, Stream) and isinstance(server, Stream)
        direction = Direction if is_plain else SecureDirection
        self._relay = relay = Relay(client.side, server, way.limits, direction)
        if client.ahead:
            relay.from_client.begin_with(client.ahead)
            client.ahead = b""
        self._greenlet = None
        relay.start(self._ended)

    def _reach(self, pool: Pool) -> Side:
        """A connection to a server of the pool; a failed dial goes to another server, ``retries`` times.

        What the client has sent so far is unread or in ``client.ahead``, so nothing can be lost. Raises
        ``NoServerAvailable`` or the last ``ConnectError``.
        """
        tried: list[Server] = []
        failure: ConnectError | None = None
        while True:
            try:
                self.lease = lease = lease_when_free(self.proxy.registry, pool, self.client.host, tried)
            except NoServerAvailable:
                if failure is None:
                    raise
                raise failure from None  # That nobody else is there says less than why this one failed.
            try:
                self.server = self._open(lease)
                return self.server
            except ConnectError as error:
                lease.release()
                tried.append(lease.server)
                failure = error
                # Meanwhile an operator may have taken out what the old pool would pick.
                pool = self.proxy.registry.current(pool)
                if error.retry is Retry.NEVER or len(tried) > pool.config.retries:
                    raise
                seldom(log, logging.INFO, "%s: %s, trying another server", self.proxy.config.name, str(error))
                pool.retried += 1

    def _open(self, lease: Lease) -> Side:
        if self._record is not None:
            self._record.tries += 1
        started = time.monotonic()
        try:
            server = self.proxy.to_pool(lease.pool).open(lease.server, self.client)
        except OutOfDescriptors:
            raise
        except ConnectError:
            lease.failed()
            raise
        lease.reached()
        seconds = time.monotonic() - started
        lease.answered(seconds)
        if self._record is not None:
            self._record.connect = seconds
        return server

    def _ended(self, relay: Relay) -> None:
        """The relay is over; runs in the hub."""
        server = self.lease.server  # type: ignore[union-attr]
        server.bytes_in += relay.from_client.count
        server.bytes_out += relay.from_server.count
        traffic[self.proxy.config.name].add(relay.from_client.count, relay.from_server.count)
        if relay.ending is not None and relay.ending is not Ending.CLOSED:
            log.debug("%s: a connection to %s ended: %s", self.proxy.config.name, server.name, relay.ending.value)
        if self._record is not None:
            self._note_relay(self._record, relay)
        seconds = self.proxy.config.linger_timeout
        if relay.from_client.gave_up and relay.ending is Ending.CLOSED and seconds:
            self._linger(seconds)
        else:
            self._close()

    def _linger(self, seconds: float) -> None:
        """The server is gone and the client still sends: let it read the server's last bytes."""
        self._release_server()
        self._relay = None
        # Not from here: the crew begins its tasks in the hub, and this may be the greenlet of the connection.
        self.client.stream.home.hub.loop.run_callback(crew().run, self._linger_and_close, seconds)

    def _linger_and_close(self, seconds: float) -> None:
        self._greenlet = getcurrent()
        try:
            with suppress(StreamError):  # It is gone, which the reading finds out, too.
                self.client.side.shutdown_write()
            linger(self.client.stream, seconds)
        finally:
            self._close()

    def _note_relay(self, record: Record, relay: Relay) -> None:
        record.bytes_in, record.bytes_out = relay.from_client.count, relay.from_server.count
        if relay.ending is not None:
            record.ends(ENDINGS[relay.ending], relay.ending.value)

    def _note_end(self, code: str, ending: str) -> None:
        if self._record is not None:
            self._record.ends(code, ending)

    def _write_record(self, record: Record, access_log: AccessLog) -> None:
        client, lease = self.client, self.lease
        record.client = str(client)
        record.server_name, record.alpn = client.server_name, client.alpn
        record.unique_id = client.unique_id.decode("latin-1")
        if lease is not None:
            record.pool, record.server = lease.pool.name, lease.server.name
        access_log.write(record.line(self.proxy.config.access_log_format))

    def end_if_due(self, now: float) -> None:
        """End a connection whose server is down or was removed, where its pool says so."""
        if self._relay is not None and self.lease is not None and self.lease.server.ends_at <= now:
            self._relay.cut(Ending.SERVER_DOWN)

    def cut(self) -> None:
        """End the connection, whatever it is at; for the hub or another greenlet."""
        if self._relay is not None:
            self._relay.cut()
        elif self._greenlet is not None:
            # Not from here: a greenlet that ends hands over to the hub, and whoever threw would not go on.
            self.client.stream.home.hub.loop.run_callback(self._throw_out)

    def _throw_out(self) -> None:
        # Only if it is still at this connection: a greenlet of the crew goes on to the next one.
        if self._greenlet is not None:
            self._greenlet.throw(GreenletExit)
        elif self._relay is not None:  # It has got its server meanwhile.
            self._relay.cut()

    def _close(self) -> None:
        self._greenlet = None
        self._relay = None
        self.client.side.close()
        self._release_server()
        self.proxy.reception.leave(self.client)
        self.proxy.connections.discard(self)
        self.proxy.slots.leave()
        if self._record is not None and self.proxy.access_log is not None:
            self._write_record(self._record, self.proxy.access_log)

    def _release_server(self) -> None:
        if self.server is not None:
            self.server.close()
        if self.lease is not None:
            self.lease.lasted(time.monotonic() - self.started)
            self.lease.release()
