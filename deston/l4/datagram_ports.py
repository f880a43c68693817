"""The addresses of udp listeners, the same for every worker.

What lives here: the ports, held by the arbiter, and a socket of its own for each worker.
What must not: serving.
Invariant: a port stays held until its listener is gone, however many workers come and go: nobody else can take it, and
one that the system chose stays chosen.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from collections.abc import Iterable
from dataclasses import replace

from deston.address import Address
from deston.config.model import ListenerConfig
from deston.errors import StartError
from deston.net.datagram import bind_datagram, hear_nobody


class DatagramPorts:
    """Where udp listeners are bound."""

    def __init__(self) -> None:
        self._held: dict[str, RawSocket] = {}

    def address_of(self, listener: ListenerConfig) -> Address:
        """The address of a listener, with its port; it is held from now on. Raises ``StartError``."""
        held = self._held.get(_key(listener))
        if held is None:
            held = self._held[_key(listener)] = bind_datagram(listener.bind)
            hear_nobody(held)
        return replace(listener.bind, port=held.getsockname()[1])

    def known_address(self, listener: ListenerConfig) -> Address:
        """The address of a listener as far as it is known, for whoever tells of it; binds nothing."""
        held = self._held.get(_key(listener))
        return listener.bind if held is None else replace(listener.bind, port=held.getsockname()[1])

    def bind(self, listeners: Iterable[ListenerConfig]) -> list[RawSocket]:
        """A new socket for each listener; raises ``StartError``, and then none stays open."""
        bound: list[RawSocket] = []
        try:
            for listener in listeners:
                bound.append(bind_datagram(self.address_of(listener)))
        except StartError:
            for raw in bound:
                raw.close()
            raise
        return bound

    def keep_only(self, listeners: Iterable[ListenerConfig]) -> None:
        """Give up the ports of all other listeners."""
        kept = {_key(one) for one in listeners}
        for key in self._held.keys() - kept:
            self._held.pop(key).close()

    def __repr__(self) -> str:
        return f"<DatagramPorts of {len(self._held)} listeners>"


def _key(listener: ListenerConfig) -> str:
    """What makes a port the same after a reload: its address, or the name where the system chose it."""
    return str(listener.bind) if listener.bind.port else listener.name
