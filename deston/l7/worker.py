"""Our own worker: gunicorn's gevent worker, with connections of HTTP/1.x read by ourselves.

What lives here: the way from an accepted socket to a ``ClientConnection``, and back to gunicorn for the rest.
What must not: HTTP.
Invariant: what is not HTTP/1.x for our own application goes to gunicorn's own handler, and through WSGI.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import gevent
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from deston.config.model import ListenerConfig
from deston.errors import ClientGone, ProtocolError, StartError, StreamError
from deston.figures import Figure, grows, varies
from deston.l7.accepting import Acceptor
from deston.l7.admission import Admission, CountedStream
from deston.l7.connection import ClientConnection, Refuse
from deston.l7.descriptors import descriptors, most_parked
from deston.l7.gunicorn_log import GunicornLog
from deston.l7.handshake import HTTP2, Handshakes, identity, is_secured
from deston.l7.http2 import Http2Socket, speaks_http2
from deston.l7.sessions import OfVisits
from deston.l7.stopping import Stopping
from deston.l7.visit import Visit, Visits
from deston.l7.wsgi import application, is_ours
from deston.net.relay import Side
from deston.net.stream import Stream
from deston.net.tls_stream import TlsStream

log = logging.getLogger("deston.l7")

# A client that has waited for so long is likely to wait on; in seconds.
PARKS_AFTER = 2.0


class ProxyWorker(GeventWorker):  # type: ignore[misc]
    """Serves the HTTP listeners: ``gunicorn -k deston.l7.worker.ProxyWorker``."""

    _http2: set[Http2Socket]
    _is_ours: bool
    _reads_itself: bool
    _handshakes: Handshakes
    _listeners: tuple[ListenerConfig, ...]
    _bound: dict[int, ListenerConfig]
    _visits: Visits | None
    _stopped_at: float
    _refuse: Refuse
    _admissions: dict[str, Admission]
    _accepted: Counter[str]

    def __init__(self, *arguments: Any) -> None:
        self._stopping = Stopping()
        super().__init__(*arguments)

    def init_process(self) -> None:
        self._http2 = set()
        self._admissions = {}
        self._accepted = Counter()
        self._refuse = application.refuse
        self._visits = None
        self._stopped_at = 0.0
        gevent.config.track_greenlet_tree = False  # Where each was made is nobody's question, and costs each of them.
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application; one that only has ours somewhere inside is asked for every request, by WSGI."""
        super().load_wsgi()
        self._is_ours = application.speaks_tls = is_ours(self.wsgi)
        self._reads_itself = self._is_ours and not self.cfg.is_ssl

    def handle(self, listener: Any, client: Any, address: Any) -> None:
        """One connection, in a greenlet of its own."""
        if not self._reads_itself:
            super().handle(listener, client, address)
            return
        stream = Stream(client)
        try:
            # By the address of this socket, where need be: that of the listener's may be closed by a stop already.
            bound = self._bound.get(id(listener)) or application.listener_at(client.getsockname())
            self._accepted[bound.name] += 1
            if bound.name in self._admissions:
                peer = address[0] if isinstance(address, tuple) else ""
                stream = CountedStream(stream, self._admissions[bound.name], peer)
                if not stream.is_let_in:
                    return
            begin = self._secured if self._handshakes.is_for(bound) else self._plain
            visit = begin(stream, address, bound)
        except BaseException:
            stream.abort()
            raise
        if visit is not None and self._visits is not None:
            self._visits.serve(visit)

    def _plain(self, stream: Stream, address: Any, bound: ListenerConfig) -> Visit | None:
        return self._visit(stream, stream, address, bound)

    def _visit(self, side: Side, plain: Stream, address: Any, bound: ListenerConfig, told: bytes = b"") -> Visit:
        """Requests of HTTP/1.x on a stream, which is that of the socket itself (``plain``), or TLS on it."""
        peer = address[0] if isinstance(address, tuple) else ""
        scheme = "http" if side is plain else "https"
        connection = ClientConnection(
            side,
            bound,
            peer,
            scheme,
            application.forward,
            self._stopping,
            GunicornLog(self.log) if self.log.access_log_enabled else None,
            identity=told,
            refuse=self._refuse,
            tls_version=side.version if isinstance(side, TlsStream) else "",
        )
        connection.parks_after = PARKS_AFTER
        return Visit(plain, side, connection)

    def _secured(self, stream: Stream, address: Any, bound: ListenerConfig) -> Visit | None:
        """A connection that begins with TLS; None where it is over, for HTTP/2 is gunicorn's business."""
        try:
            tls = self._handshakes.shake_hands(stream, bound)
        except (StreamError, ProtocolError, ClientGone) as error:
            log.debug("%s: a TLS handshake failed: %s", bound.name, error)
            stream.close()
            return None
        told = identity(tls.peer_certificate)
        if tls.alpn != HTTP2:
            return self._visit(tls, stream, address, bound, told)
        try:
            self._serve_http2(Http2Socket(tls, bound, told), address)
        except BaseException:
            tls.abort()  # A notice of the end would say that it was whole.
            raise
        tls.close()
        return None

    def _serve_http2(self, client: Http2Socket, address: Any) -> None:
        self._http2.add(client)
        try:
            # All that gunicorn asks of a listener is where it is, and it may be closed by now.
            self.handle_http2(client, client, address)
        finally:
            self._http2.discard(client)

    def run(self) -> None:
        """Serve until the worker is told to stop."""
        self._take_listeners()
        if not self._is_ours and any(map(is_secured, application.listeners)):
            log.error("a listener with TLS can only serve deston.l7:app itself: let gunicorn have the certificate")
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        most = most_parked(self.worker_connections, max(1, len(self.sockets)), descriptors())
        visits = self._visits = Visits(most)
        if application.runtime is not None:
            application.runtime.tell(self._figures)
        if application.runtime is not None:
            application.runtime.list_sessions(OfVisits(visits))
        if self._reads_itself:
            self.server_class = partial(Acceptor, self.handle, self.cfg.workers == 1)
        super().run()
        drained = time.monotonic() - (self._stopped_at or time.monotonic())
        visits.wait(max(0.0, self.cfg.graceful_timeout - drained), self.notify)

    def _figures(self) -> Iterator[Figure]:
        """How many connections listeners have, and have had; the former without HTTP/2, which is gunicorn's."""
        visits = self._visits.all() if self._visits is not None else []
        now = Counter(visit.connection.listener.name for visit in visits)
        for listener in self._listeners:
            yield varies("listener_open", listener.name), now[listener.name]
            yield grows("listener_accepted", listener.name), self._accepted[listener.name]

    def _take_listeners(self) -> None:
        """Take over the listeners as they are configured now; raises ``StartError`` for a certificate."""
        listeners = self._listeners = application.listeners
        self._handshakes = Handshakes(listeners, speaks_http2())  # Before anything else changes: it may fail.
        # gunicorn makes a socket for each of its addresses, in their order; those that it was handed are others.
        are_ours = [str(one.bind) for one in listeners] == list(self.cfg.bind) and len(self.sockets) == len(listeners)
        found = zip(self.sockets, listeners, strict=True) if are_ours else ()
        known, self._admissions = self._admissions, {}
        counts = application.runtime.registry.counts if application.runtime is not None else None
        for one in listeners:
            admission = known.get(one.name) or Admission(one, counts=counts)
            admission.configure(one)
            if not admission.is_trivial:
                self._admissions[one.name] = admission
        self._bound = {id(bound): listener for bound, listener in found}

    def notify(self) -> None:
        """Tell the arbiter that the worker is alive, once a second; changed certificates are taken up, too."""
        super().notify()
        if application.listeners is not self._listeners:
            try:
                self._take_listeners()
            except StartError as error:  # They were looked at, so a file has changed again since then.
                log.error("the changed listeners cannot be used, the old ones stay: %s", error)
        self._handshakes.refresh()

    @property
    def alive(self) -> bool:
        """Whether it goes on, as gunicorn asks and says; its connections look at the value itself."""
        return not self._stopping.is_on

    @alive.setter
    def alive(self, goes_on: bool) -> None:
        self._stopping.is_on = not goes_on

    def handle_exit(self, sig: int, frame: Any) -> None:
        """TERM: no connection waits for a further request, once those in front had time to turn away."""
        delay = application.prepare_to_stop()
        if delay and not self._stopped_at:
            self._stopped_at = time.monotonic() + delay
            gevent.spawn_later(delay, self._stop, sig, frame)
        elif not self._stopped_at:
            self._stop(sig, frame)

    def _stop(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._stopped_at = time.monotonic()
        gevent.spawn(self._end_idle)

    def _end_idle(self) -> None:
        if self._visits is not None:
            self._visits.end_idle()
        for client in list(self._http2):
            client.end_if_idle()
