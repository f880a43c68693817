"""Accepting connections as raw sockets, in the place of gevent's wrapped ones.

What lives here: the accepting of one listening socket, and its pauses when descriptors run out.
What must not: who handles a connection, and how many may be open (``l4.server``, ``l7.accepting``).
Invariant: a failed accept pauses accepting and ends nothing.
"""

from __future__ import annotations

import errno
from _socket import socket as RawSocket
from collections.abc import Callable
from typing import Any

from gevent.server import StreamServer

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


class RawServer(StreamServer):
    """Accepts on a listening socket; a subclass says what becomes of each raw non-blocking socket (``do_handle``)."""

    # gevent's own, of which its types tell less than is used here.
    socket: Any
    _timer: Any
    _start_accepting_if_started: Callable[[], None]

    def __init__(self, listening: Any, handle: Callable[[RawSocket, Any], None], spawn: Any, alone: bool) -> None:
        self.max_accept = ACCEPTS_ALONE if alone else ACCEPTS_SHARED
        self._paused = False
        super().__init__(listening, handle=handle, spawn=spawn)
        # Read once: each of them would be made into a member of an enumeration anew.
        self._kind = int(listening.family), int(listening.type), listening.proto

    def tell_pause(self, reason: str) -> None:
        """Say why accepting pauses; called once until it has succeeded again."""

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

    def _pause(self, error: OSError) -> None:
        if not self._paused:
            self._paused = True
            self.tell_pause(str(error.strerror))
        self.stop_accepting()
        self._timer = self.loop.timer(PAUSE)
        self._timer.start(self._start_accepting_if_started)

    def do_close(self, raw: RawSocket, address: Any) -> None:
        raw.close()
