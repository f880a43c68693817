"""The addresses of udp listeners, the same for every worker.

What lives here: the ports that the system chose, held by the arbiter, because each worker binds a socket of its own.
What must not: the workers' sockets.
Invariant: a port that was chosen stays chosen until its listener is gone, however many workers come and go.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from collections.abc import Iterable
from dataclasses import replace

from deston.address import Address
from deston.config.model import ListenerConfig
from deston.net.datagram import bind_datagram, hear_nobody


class DatagramPorts:
    """Where udp listeners are bound."""

    def __init__(self) -> None:
        self._held: dict[str, RawSocket] = {}

    def address_of(self, listener: ListenerConfig) -> Address:
        """The address for the workers to bind; a port 0 is chosen now and held. Raises ``StartError``."""
        if listener.bind.port:
            return listener.bind
        held = self._held.get(listener.name)
        if held is None:
            held = self._held[listener.name] = bind_datagram(listener.bind)
            hear_nobody(held)
        return replace(listener.bind, port=held.getsockname()[1])

    def keep_only(self, listeners: Iterable[ListenerConfig]) -> None:
        """Give up the ports of all other listeners."""
        kept = {one.name for one in listeners if not one.bind.port}
        for name in self._held.keys() - kept:
            self._held.pop(name).close()

    def __repr__(self) -> str:
        return f"<DatagramPorts of {len(self._held)} listeners>"
