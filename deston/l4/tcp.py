"""One TCP connection, from its acceptance to its account.

What lives here: lease, dial, redispatch, relay.
What must not: accepting (``server.py``), moving bytes (``net.relay``), choosing (``balancer``).
Invariant: however a connection ends, its lease and its slot are released and both sockets are closed.
"""

from __future__ import annotations

import logging
import time
from _socket import socket as RawSocket
from typing import Any

from greenlet import GreenletExit, getcurrent

from deston.address import client_key
from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import ListenerConfig, OnDown, PoolConfig
from deston.errors import ConnectError, DestonError, OutOfDescriptors, Retry
from deston.l4.slots import Slots
from deston.net.crew import crew
from deston.net.dial import Dialer, dial
from deston.net.linger import linger
from deston.net.relay import Ending, Limits, Relay
from deston.net.stream import NEVER, Stream

log = logging.getLogger("deston.l4")


class TcpProxy:
    """Serves the connections of one listener.

    ``config`` may be replaced while connections are open; it counts for those that come after.
    """

    def __init__(
        self, registry: Registry, config: ListenerConfig, slots: Slots | None = None, dialer: Dialer = dial
    ) -> None:
        self.registry = registry
        self.slots = slots or Slots()
        self.refused = 0
        self.connections: set[Connection] = set()
        self.dial = dialer
        self._limits: dict[Pool, Limits] = {}
        self.config = config

    def configure(self, config: ListenerConfig) -> None:
        """Take over what a reload changed of the listener or of pools."""
        self.config = config
        self._limits.clear()

    def handle(self, raw: RawSocket, address: Any) -> None:
        """Serve one client: returns when its relay runs by itself, or when there is none; for a greenlet of its own."""
        Connection(self, raw, address).serve()

    def limits(self, pool: Pool) -> Limits:
        """The limits of time of a connection from this listener to a pool."""
        limits = self._limits.get(pool)
        if limits is None:
            limits = self._limits[pool] = _limits(self.config, pool.config)
        return limits

    def sweep(self, now: float) -> None:
        """End the connections of servers that went down, where their pool asks for it; once a tick, in the hub."""
        for connection in list(self.connections):
            connection.end_if_down()

    def cut(self) -> None:
        """End every connection: neither side may take what it got for all that there was."""
        for connection in list(self.connections):
            connection.cut()


def _limits(listener: ListenerConfig, pool: PoolConfig) -> Limits:
    lifetimes = [one for one in (listener.max_lifetime, pool.max_lifetime) if one]
    return Limits(
        idle=listener.client_timeout,
        half_closed=pool.half_close_timeout,
        client_idle=listener.client_idle_timeout or NEVER,
        server_idle=pool.server_idle_timeout or NEVER,
        lifetime=min(lifetimes, default=NEVER),
    )


class Connection:
    """A client's connection.

    It has a greenlet until the relay runs; from then on callbacks of the hub move its bytes and end it.
    """

    __slots__ = ("_greenlet", "_lease", "_relay", "client", "key", "proxy", "server")

    def __init__(self, proxy: TcpProxy, raw: RawSocket, address: Any) -> None:
        self.proxy = proxy
        self.client = Stream(raw)
        self.key = client_key(address[0]) if isinstance(address, tuple) else ""
        self.server: Stream | None = None
        self._lease: Lease | None = None
        self._relay: Relay | None = None
        self._greenlet: Any = getcurrent()
        proxy.connections.add(self)

    def serve(self) -> None:
        """Do all that comes before the relay, and start it."""
        proxy = self.proxy
        try:
            pool = proxy.registry.pool(proxy.config.pool)
            self.server = self._reach(pool)
            self._relay = relay = Relay(self.client, self.server, proxy.limits(pool))
            relay.start(self._ended)
            self._greenlet = None
        except DestonError as error:
            proxy.refused += 1
            log.info("%s: a connection was refused: %s", proxy.config.name, error)
            self._close()
        except BaseException:
            self._close()
            raise

    def _reach(self, pool: Pool) -> Stream:
        """A connection to a server of the pool; a failed dial goes to another server, ``retries`` times.

        Nothing of the client has been read meanwhile, so nothing can be lost. Raises ``NoServerAvailable`` or the
        last ``ConnectError``.
        """
        tried: list[Server] = []
        while True:
            self._lease = lease = pool.lease(self.key, tried)
            try:
                return self._dial_server(lease, pool.config.connect_timeout)
            except ConnectError as error:
                lease.release()
                tried.append(lease.server)
                if error.retry is Retry.NEVER or len(tried) > pool.config.retries:
                    raise
                log.info("%s: %s, trying another server", self.proxy.config.name, error)

    def _dial_server(self, lease: Lease, timeout: float) -> Stream:
        started = time.monotonic()
        try:
            stream = self.proxy.dial(lease.server.endpoint_or_fail(), timeout)
        except OutOfDescriptors:
            raise
        except ConnectError:
            lease.failed()
            raise
        lease.reached()
        lease.server.observe_latency(time.monotonic() - started)
        return stream

    def _ended(self, relay: Relay) -> None:
        """The relay is over; runs in the hub."""
        server = self._lease.server  # type: ignore[union-attr]
        server.bytes_in += relay.from_client.count
        server.bytes_out += relay.from_server.count
        if relay.ending is not None and relay.ending is not Ending.CLOSED:
            log.debug("%s: a connection to %s ended: %s", self.proxy.config.name, server.name, relay.ending.value)
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
        self.client.home.hub.loop.run_callback(crew().run, self._linger_and_close, seconds)

    def _linger_and_close(self, seconds: float) -> None:
        self._greenlet = getcurrent()
        try:
            linger(self.client, seconds)
        finally:
            self._close()

    def end_if_down(self) -> None:
        """End a connection whose server is down, where its pool says so."""
        lease = self._lease
        if self._relay is None or lease is None or lease.pool.config.on_down is not OnDown.CLOSE:
            return
        if lease.server.health is Health.DOWN:
            self._relay.cut(Ending.SERVER_DOWN)

    def cut(self) -> None:
        """End the connection, whatever it is at; for the hub or another greenlet."""
        if self._relay is not None:
            self._relay.cut()
        elif self._greenlet is not None:
            # Not from here: a greenlet that ends hands over to the hub, and whoever threw would not go on.
            self.client.home.hub.loop.run_callback(self._greenlet.throw, GreenletExit)

    def _close(self) -> None:
        self._greenlet = None
        self._relay = None
        self.client.close()
        self._release_server()
        self.proxy.connections.discard(self)
        self.proxy.slots.leave()

    def _release_server(self) -> None:
        if self.server is not None:
            self.server.close()
        if self._lease is not None:
            self._lease.release()
