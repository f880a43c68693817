"""One TCP connection, from its acceptance to its account.

What lives here: lease, dial, redispatch, relay.
What must not: accepting (``server.py``), moving bytes (``net.relay``), choosing (``balancer``).
Invariant: however a connection ends, its lease is released and both sockets are closed.
"""

from __future__ import annotations

import logging
import time
from _socket import socket as RawSocket
from typing import Any

from greenlet import GreenletExit

from deston.address import client_key
from deston.balancer.pool import Lease, Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import ListenerConfig
from deston.errors import ConnectError, DestonError, OutOfDescriptors, Retry
from deston.net.dial import Dialer, dial
from deston.net.relay import Ending, Relay
from deston.net.stream import Stream

log = logging.getLogger("deston.l4")


class TcpProxy:
    """Serves the connections of one listener.

    ``config`` may be replaced while connections are open; it counts for those that come after.
    """

    def __init__(self, registry: Registry, config: ListenerConfig, dialer: Dialer = dial) -> None:
        self.registry = registry
        self.config = config
        self.refused = 0
        self.relays: set[Relay] = set()
        self._dial = dialer

    def handle(self, raw: RawSocket, address: Any) -> None:
        """Serve one client until its connection is over; runs in a greenlet of its own."""
        client = Stream(raw)
        try:
            self._serve(client, client_key(address[0]) if isinstance(address, tuple) else "")
        except DestonError as error:
            self.refused += 1
            log.info("%s: a connection was refused: %s", self.config.name, error)
        finally:
            client.close()

    def _serve(self, client: Stream, key: str) -> None:
        pool = self.registry.pool(self.config.pool)
        lease, server = self._reach(pool, key)
        try:
            self._relay(Relay(client, server, self.config.client_timeout, pool.config.half_close_timeout), lease.server)
        except GreenletExit:
            # The drain is over: neither side may take what it got for all that there was.
            client.reset_when_closed()
            server.reset_when_closed()
            raise
        finally:
            server.close()
            lease.release()

    def _reach(self, pool: Pool, key: str) -> tuple[Lease, Stream]:
        """A connection to a server of the pool; a failed dial goes to another server, ``retries`` times.

        Nothing of the client has been read meanwhile, so nothing can be lost. Raises ``NoServerAvailable`` or the
        last ``ConnectError``.
        """
        tried: list[Server] = []
        while True:
            lease = pool.lease(key, tried)
            try:
                return lease, self._dial_server(lease, pool.config.connect_timeout)
            except ConnectError as error:
                lease.release()
                tried.append(lease.server)
                if error.retry is Retry.NEVER or len(tried) > pool.config.retries:
                    raise
                log.info("%s: %s, trying another server", self.config.name, error)
            except BaseException:
                lease.release()
                raise

    def _dial_server(self, lease: Lease, timeout: float) -> Stream:
        started = time.monotonic()
        try:
            stream = self._dial(lease.server.endpoint_or_fail(), timeout)
        except OutOfDescriptors:
            raise
        except ConnectError:
            lease.failed()
            raise
        lease.reached()
        lease.server.observe_latency(time.monotonic() - started)
        return stream

    def _relay(self, relay: Relay, server: Server) -> None:
        self.relays.add(relay)
        try:
            ending = relay.run()
        finally:
            self.relays.discard(relay)
            server.bytes_in += relay.from_client.count
            server.bytes_out += relay.from_server.count
        if ending is not Ending.CLOSED:
            log.debug("%s: a connection to %s ended: %s", self.config.name, server.name, ending.value)
