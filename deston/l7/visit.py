"""A client's stay with our own worker: its connection, in whichever greenlet that is served.

What lives here: what is done with a connection besides its requests, and where it waits for long.
What must not: requests (``connection``), handshakes, gunicorn (``worker``).
Invariant: however a visit ends, its socket is closed once, and with a reset where something broke off. A visit that is
parked has no greenlet: it costs its objects, and not the pages of a stack.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import gevent
from gevent import Greenlet, GreenletExit, getcurrent

from deston.errors import StreamError
from deston.l7.connection import ClientConnection
from deston.l7.request import Request
from deston.net import hub as hubs
from deston.net.linger import linger
from deston.net.relay import Side
from deston.net.stream import Stream

# A client that still sends when its connection is over may read the last response for so long; in seconds.
LINGER: Final = 2.0


class Visit:
    """One client's connection.

    ``side`` is what its requests are read from: ``plain``, which is the socket's own stream, or TLS on it.
    """

    __slots__ = ("_side", "connection", "ends", "greenlet", "number", "plain", "started")

    def __init__(self, plain: Stream, side: Side, connection: ClientConnection) -> None:
        self.plain = plain
        self._side = side
        self.connection = connection
        self.started = time.monotonic()
        #: What serves it, but while it is parked.
        self.greenlet: Any = None
        #: When it ends by itself while it is parked.
        self.ends = 0.0
        #: By which an operator knows it, once one has asked.
        self.number = ""

    @property
    def is_parked(self) -> bool:
        """Whether nothing serves it now."""
        return self.greenlet is None

    def run(self) -> bool:
        """Serve it until its end, or until it has waited for a request for a while; whether it is to be parked."""
        try:
            still_sends = self.connection.serve()
            seconds = self.connection.rest_of_wait
            if seconds:
                self.ends = time.monotonic() + seconds
                return True
            if still_sends:
                with contextlib.suppress(StreamError):
                    self._side.shutdown_write()
                    linger(self.plain, LINGER)
        except BaseException:
            self._side.abort()  # Such as at the end of a drain: what the client got must not look whole.
            raise
        self.close()
        return False

    def stay(self) -> None:
        """Keep its greenlet, however long it waits."""
        self.connection.parks_after = float("inf")

    def end_if_idle(self) -> None:
        """End it soon where it waits for a request of which nothing has come."""
        self.connection.end_if_idle()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._side.close()
        self.plain.close()


class Visits:
    """The visits of one worker; ``most`` of them are parked, or went on from there."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._served: set[Visit] = set()
        self._parked: set[Visit] = set()
        self._going: set[Greenlet[..., None]] = set()
        hubs.sweeper().watched.add(self)

    def serve(self, visit: Visit) -> None:
        """Serve a visit, for as long as it needs a greenlet."""
        self._served.add(visit)
        visit.greenlet = getcurrent()
        try:
            while visit.run():
                if len(self._parked) + len(self._going) < self._most:
                    self._park(visit)
                    return
                visit.stay()
        finally:
            visit.greenlet = None
            self._served.discard(visit)

    def _park(self, visit: Visit) -> None:
        self._parked.add(visit)
        visit.plain.watch(partial(self._wake, visit))

    def _wake(self, visit: Visit) -> None:
        """A parked client has spoken, or ended; runs in the hub."""
        visit.plain.watch(None)
        if visit in self._parked:
            self._parked.discard(visit)
            going = gevent.spawn(self.serve, visit)
            self._going.add(going)
            going.link(self._going.discard)

    def sweep(self, now: float) -> None:
        """Close the parked ones that have waited for long enough; runs in the hub."""
        for visit in [one for one in self._parked if one.ends <= now]:
            if visit.plain.has_input():  # Its request, or its end: it is woken in this turn of the loop.
                continue
            self._parked.discard(visit)
            visit.close()

    def end_idle(self) -> None:
        """End all that wait for a request of which nothing has come."""
        self.sweep(float("inf"))
        for visit in list(self._served):
            visit.end_if_idle()

    def all(self) -> list[Visit]:
        """All of them, as of now."""
        return [*self._served, *self._parked]

    def __contains__(self, visit: Visit) -> bool:
        return visit in self._served or visit in self._parked

    def end(self, visit: Visit, request: Request | None) -> None:
        """End a visit, unless it was at a request and is at another one by then; for a greenlet."""
        # Not from here: a greenlet that ends hands over to the hub, and whoever threw would not go on.
        visit.plain.home.hub.loop.run_callback(self._throw_out, visit, request)

    def _throw_out(self, visit: Visit, request: Request | None) -> None:
        if visit in self._parked:
            self._parked.discard(visit)
            visit.close()
        elif visit.greenlet is not None and request in (None, visit.connection.request):
            visit.greenlet.throw(GreenletExit)

    def wait(self, seconds: float, tell: Callable[[], None]) -> None:
        """Let those that went on after they were parked end within ``seconds``, then cut them off.

        ``tell`` is called about once a second meanwhile.
        """
        until = time.monotonic() + seconds
        while self._going and time.monotonic() < until:
            tell()
            gevent.joinall(list(self._going), timeout=min(1.0, max(0.0, until - time.monotonic())))
        gevent.killall(list(self._going))

    def __len__(self) -> int:
        return len(self._served) + len(self._parked)

    def __repr__(self) -> str:
        return f"<Visits {len(self._served)} served, {len(self._parked)} parked, {len(self._going)} went on>"
