"""Accepting TCP connections.

What lives here: the acceptor of one listener, and what it does when slots run out.
What must not: what happens to a connection (``tcp.py``), processes (``worker.py``), the call itself (``net``).
Invariant: an accepted socket is handed over or closed.
"""

from __future__ import annotations

import logging
from _socket import socket as RawSocket
from collections.abc import Callable
from typing import Any

from deston.l4.slots import Slots
from deston.net.crew import crew
from deston.net.raw_server import RawServer
from deston.repeats import seldom

log = logging.getLogger("deston.l4")


class Acceptor(RawServer):
    """Accepts on a listening socket and hands each raw non-blocking socket to ``handle``.

    ``handle`` runs in a greenlet of the crew, owns the socket from then on, and leaves ``slots`` when the connection
    is over. While all slots are taken, or descriptors have run out, clients wait in the kernel's backlog.
    """

    def __init__(
        self, listening: Any, handle: Callable[[RawSocket, Any], None], slots: Slots, alone: bool, name: str
    ) -> None:
        self.name = name
        self.slots = slots
        self._run = crew().run
        self._own = handle
        super().__init__(listening, handle, None, alone)

    def do_handle(self, raw: RawSocket, address: Any) -> None:
        """Hand a connection over; gevent's own would make a greenlet for each."""
        self.slots.take()
        self._run(self._own, raw, address)

    def full(self) -> bool:
        """Whether there is no slot; accepting is then taken up again when one is left."""
        if not self.slots.full:
            return False
        self.slots.when_free(self._start_accepting_if_started)
        said = "%s: all %d connections that it may hold are open, clients wait"
        seldom(log, logging.WARNING, said, self.name, self.slots.taken)
        return True

    def tell_pause(self, reason: str) -> None:
        """Say why accepting pauses, now and then."""
        seldom(log, logging.WARNING, "%s: accepting pauses: %s", self.name, reason)
