"""Our own worker: gunicorn's gevent worker, with connections of HTTP/1.x read by ourselves.

What lives here: the way from gunicorn's accepted socket to a ``ClientConnection``, and back to gunicorn for the rest.
What must not: HTTP.
Invariant: what is not HTTP/1.x over a plain socket for our own application goes to gunicorn's own handler, and through
WSGI.
"""

from __future__ import annotations

import contextlib
from _socket import socket as RawSocket
from collections.abc import Iterator
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from deston.errors import StreamError
from deston.l7 import app
from deston.l7.connection import ClientConnection
from deston.l7.gunicorn_log import GunicornLog
from deston.l7.wsgi import application
from deston.net.linger import linger
from deston.net.stream import Stream

# A client that still sends when its connection is over may read the last response for so long; in seconds.
LINGER = 2.0


class ProxyWorker(GeventWorker):  # type: ignore[misc]
    """Serves the HTTP listeners: ``gunicorn -k deston.l7.worker.ProxyWorker``."""

    _connections: set[ClientConnection]
    _is_ours: bool

    def init_process(self) -> None:
        self._connections = set()
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application; one that only has ours somewhere inside is asked for every request, by WSGI."""
        super().load_wsgi()
        self._is_ours = self.wsgi in (app, application)

    def handle(self, listener: Any, client: Any, address: Any) -> None:
        """One connection, in a greenlet of its own."""
        if self.cfg.is_ssl or not self._is_ours:
            super().handle(listener, client, address)
            return
        raw = RawSocket(int(client.family), int(client.type), 0, fileno=client.detach())
        raw.setblocking(False)
        self._serve(Stream(raw), address)

    def _serve(self, stream: Stream, address: Any) -> None:
        peer = address[0] if isinstance(address, tuple) else ""
        account = GunicornLog(self.log) if self.log.access_log_enabled else None
        try:
            # Of this socket, not of the listener's, which a stop may have closed already.
            bound = application.listener_at(stream.socket.getsockname())
            connection = ClientConnection(stream, bound, peer, "http", application.forward, self._is_stopping, account)
            with self._known(connection):
                still_sends = connection.serve()
            if still_sends:
                with contextlib.suppress(StreamError):
                    stream.shutdown_write()
                    linger(stream, LINGER)
        except BaseException:
            stream.abort()  # Such as at the end of a drain: what the client got must not look whole.
            raise
        finally:
            stream.close()

    @contextlib.contextmanager
    def _known(self, connection: ClientConnection) -> Iterator[None]:
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)

    def _is_stopping(self) -> bool:
        return not self.alive

    def handle_exit(self, sig: int, frame: Any) -> None:
        """TERM: no connection waits for a further request."""
        super().handle_exit(sig, frame)
        gevent.spawn(self._end_idle)

    def _end_idle(self) -> None:
        for connection in list(self._connections):
            connection.end_if_idle()
