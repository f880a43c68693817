"""Accepting TCP connections.

What lives here: the acceptor of one listener, and what it does when slots or descriptors run out.
What must not: what happens to a connection (``tcp.py``), processes (``worker.py``).
Invariant: an accepted socket is handed over or closed; a failed accept pauses accepting and ends nothing.
"""

from __future__ import annotations

import errno
import logging
from _socket import socket as RawSocket
from collections.abc import Callable
from typing import Any

from gevent.server import StreamServer

from deston.l4.slots import Slots
from deston.net.crew import crew
from deston.repeats import seldom

log = logging.getLogger("deston.l4")

# How long accepting pauses when it fails, as it does where descriptors have run out, in seconds.
PAUSE = 0.1
# What accept(2) tells of a connection that is broken already; the next one may be sound.
OF_ONE_CONNECTION = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPROTO,
    }
)
# Another worker may be idle: accepting one by one leaves the rest to it. Alone, batches are cheaper.
ACCEPTS_SHARED, ACCEPTS_ALONE = 1, 100


class Acceptor(StreamServer):
    """Accepts on a listening socket and hands each raw non-blocking socket to ``handle``.

    ``handle`` runs in a greenlet of the crew, owns the socket from then on, and leaves ``slots`` when the connection
    is over. While all slots are taken, or descriptors have run out, clients wait in the kernel's backlog.
    """

    # gevent's own, of which its types tell less than is used here.
    socket: Any
    _timer: Any
    _start_accepting_if_started: Callable[[], None]

    def __init__(
        self, listening: Any, handle: Callable[[RawSocket, Any], None], slots: Slots, alone: bool, name: str
    ) -> None:
        self.max_accept = ACCEPTS_ALONE if alone else ACCEPTS_SHARED
        self.name = name
        self._paused = False
        self.slots = slots
        self._run = crew().run
        self._own = handle
        super().__init__(listening, handle=handle, spawn=None)
        # Read once: each of them would be made into a member of an enumeration anew.
        self._kind = int(listening.family), int(listening.type), listening.proto

    def do_read(self) -> tuple[RawSocket, Any] | None:  # type: ignore[override]
        """Accept one connection; None when there is none, or none can be had for now."""
        try:
            descriptor, address = self.socket._accept()
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in OF_ONE_CONNECTION:
                self._pause(error)
            return None
        self._paused = False
        raw = RawSocket(*self._kind, fileno=descriptor)
        raw.setblocking(False)
        return raw, address

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

    def _pause(self, error: OSError) -> None:
        if not self._paused:
            self._paused = True
            seldom(log, logging.WARNING, "%s: accepting pauses: %s", self.name, str(error.strerror))
        self.stop_accepting()
        self._timer = self.loop.timer(PAUSE)
        self._timer.start(self._start_accepting_if_started)

    def do_close(self, raw: RawSocket, address: Any) -> None:
        raw.close()
