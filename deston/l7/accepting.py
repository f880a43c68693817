"""Accepting clients for our own worker, in the place of gevent's server under gunicorn's.

What lives here: the server of one listening socket, whose connections are raw sockets from the beginning.
What must not: what becomes of a connection (``worker``).
Invariant: an accepted socket is handed over, or closed; whoever handles it owns it, also beyond its greenlet.
"""

from __future__ import annotations

from _socket import socket as RawSocket
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.server import StreamServer

Handle = Callable[[Any, RawSocket, Any], None]


class RawServer(StreamServer):
    """As gevent's own, but for the wrapped socket, which would be made for each connection and thrown away again.

    ``handle`` is given the listening socket, a raw non-blocking socket and the client's address. What gunicorn has for
    servers of its own (``for_gunicorn``) is not needed.
    """

    # gevent's own, of which its types tell less than is used here.
    socket: Any
    _spawn: Callable[..., object]
    _handle: Callable[[RawSocket, Any], None]

    def __init__(self, handle: Handle, most: int | None, listening: Any, spawn: Any, **for_gunicorn: Any) -> None:
        super().__init__(listening, handle=partial(handle, listening), spawn=spawn)
        if most is not None:
            self.max_accept = most
        # Read once: each of them would be made into a member of an enumeration anew.
        self._kind = int(listening.family), int(listening.type), listening.proto

    def do_read(self) -> tuple[RawSocket, Any] | None:  # type: ignore[override]
        """Accept one connection; None when there is none."""
        try:
            descriptor, address = self.socket._accept()
        except BlockingIOError:
            return None
        raw = RawSocket(*self._kind, fileno=descriptor)
        raw.setblocking(False)
        return raw, address

    def do_handle(self, raw: RawSocket, address: Any) -> None:
        """Hand a connection over; gevent's own would close it behind the greenlet, where it may be parked by then."""
        try:
            self._spawn(self._handle, raw, address)
        except BaseException:
            raw.close()
            raise
