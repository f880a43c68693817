"""Accepting clients for our own worker, in the place of gevent's server under gunicorn's.

What lives here: the server of one listening socket of gunicorn's, whose connections are raw from the beginning.
What must not: what becomes of a connection (``worker``), the call itself (``net``).
Invariant: an accepted socket is handed over, or closed; whoever handles it owns it, also beyond its greenlet.
"""

from __future__ import annotations

import logging
from _socket import socket as RawSocket
from collections.abc import Callable
from functools import partial
from typing import Any

from deston.net.raw_server import RawServer
from deston.repeats import seldom

log = logging.getLogger("deston.l7")

Handle = Callable[[Any, RawSocket, Any], None]


class Acceptor(RawServer):
    """As gevent's own, but for the wrapped socket, which would be made for each connection and thrown away again.

    ``handle`` is given the listening socket, a raw non-blocking socket and the client's address. What gunicorn has for
    servers of its own (``for_gunicorn``) is not needed.
    """

    # gevent's own, of which its types do not tell.
    _spawn: Callable[..., object]
    _handle: Callable[[RawSocket, Any], None]

    def __init__(self, handle: Handle, alone: bool, listening: Any, spawn: Any, **for_gunicorn: Any) -> None:
        super().__init__(listening, partial(handle, listening), spawn, alone)

    def do_handle(self, raw: RawSocket, address: Any) -> None:
        """Hand a connection over; gevent's own would close it behind the greenlet, where it may be parked by then."""
        try:
            self._spawn(self._handle, raw, address)
        except BaseException:
            raw.close()
            raise

    def tell_pause(self, reason: str) -> None:
        """Say why accepting pauses, now and then."""
        seldom(log, logging.WARNING, "accepting pauses: %s", reason)
