"""Flows that are never answered, such as syslog: each datagram goes to a server of its own.

What lives here: one socket for each server, shared by all clients.
What must not: sessions; what is sent here has no way back.
Invariant: a server that refuses loses its socket, and the datagram goes to another one.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from collections.abc import Callable
from dataclasses import dataclass

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.errors import ConnectError, OutOfDescriptors
from deston.net.byte_stream import Bytes
from deston.net.datagram import NOT_TAKEN, connect_datagram


@dataclass(slots=True)
class _Flow:
    """A socket with its way (to where, from where), and when it was used last."""

    raw: RawSocket
    way: tuple[Address, str]
    used: float = 0.0


class OneWay:
    """The sockets to the servers of a listener whose clients get no answers."""

    __slots__ = ("_sockets",)

    def __init__(self) -> None:
        self._sockets: dict[Server, _Flow] = {}

    def send(self, pool: Pool, key: str, parts: list[Bytes], now: float) -> bool:
        """Send one datagram to a server of the pool, ``retries`` times to another one; False where it is lost.

        Raises ``NoServerAvailable``, ``ConnectError`` and its kinds.
        """
        tried: list[Server] = []
        while True:
            with pool.lease(key, tried) as lease:
                server = lease.server
                try:
                    self._socket_to(server, pool, now).sendmsg(parts)
                except OutOfDescriptors:
                    raise
                except (OSError, ConnectError) as error:
                    if isinstance(error, OSError) and error.errno in NOT_TAKEN:
                        return False
                    self._forget(server)
                    lease.failed()
                    tried.append(server)
                    if len(tried) > pool.config.retries:
                        raise ConnectError(f"{server.address}: {error}") from error
                else:
                    server.bytes_in += sum(map(len, parts))
                    return True

    def _socket_to(self, server: Server, pool: Pool, now: float) -> RawSocket:
        way = server.endpoint_or_fail(), pool.config.source_address
        known = self._sockets.get(server)
        if known is None or known.way != way:
            self._forget(server)
            known = self._sockets[server] = _Flow(connect_datagram(*way), way)
        known.used = now
        return known.raw

    def _forget(self, server: Server) -> None:
        known = self._sockets.pop(server, None)
        if known is not None:
            known.raw.close()

    def forget_where(self, is_over: Callable[[float], bool]) -> None:
        """Close the sockets for which ``is_over`` says so of the time of their last datagram."""
        for server in [server for server, flow in self._sockets.items() if is_over(flow.used)]:
            self._forget(server)

    def __repr__(self) -> str:
        return f"<OneWay to {len(self._sockets)} servers>"
