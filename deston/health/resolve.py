"""Names: the only place where a server's name becomes an address that can be dialed.

What lives here: the lookup, which of the answer's addresses a server gets, who stands in for the others, and when to
ask again.
What must not: checks. Nothing in the path of a request waits for a name.
Invariant: ``server.endpoint`` of a named server is None or comes from a good answer; a failed lookup changes nothing.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Callable

import gevent
import gevent.socket
from gevent.event import Event

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.errors import ConnectError
from deston.health.record import vary
from deston.health.words import label, plain

# getaddrinfo does not tell the time to live, so these stand for it; it would be held within 5 and 60 s anyway.
REFRESH_S = 30.0
RETRY_S = 5.0
# The C library gives each of two nameservers 5 s by default.
LOOKUP_TIMEOUT_S = 10.0

Lookup = Callable[[Address], list[Address]]

log = logging.getLogger("deston.health")


def look_up(address: Address) -> list[Address]:
    """All addresses, of IPv4 and IPv6, that a name stands for, in the resolver's order, with the port of ``address``.

    Waits at most ten seconds without blocking other greenlets, whether gevent's patches are in place or not: the
    hub's resolver runs getaddrinfo in its thread pool. Raises ``ConnectError``.
    """
    try:
        with gevent.Timeout(LOOKUP_TIMEOUT_S, TimeoutError(f"no answer within {LOOKUP_TIMEOUT_S:g}s")):
            answer = gevent.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(plain(getattr(error, "strerror", None) or str(error))) from error
    # A resolver may give one address twice, such as for two lines of /etc/hosts.
    return list(dict.fromkeys(Address(host=str(found[4][0]), port=address.port) for found in answer))


def choose(name: str, answer: list[Address], current: Address | None) -> Address:
    """One address of an answer, which is not empty.

    The current one as long as the answer has it, because nameservers turn the order about; else the first.
    ``localhost`` is 127.0.0.1 where that is in the answer: few services listen on ::1 alone.
    """
    if current in answer:
        return current
    if name == "localhost":
        return next((one for one in answer if not one.is_ipv6), answer[0])
    return answer[0]


class Name:
    """The name of one server, followed to its addresses by one greenlet.

    ``on_members`` is called when the pool has got other servers.
    """

    def __init__(
        self,
        pool: Pool,
        server: Server,
        rng: random.Random,
        on_members: Callable[[], None],
        lookup: Lookup = look_up,
    ) -> None:
        self.pool = pool
        self.server = server
        self.error = ""
        self._on_members = on_members
        self._rng = rng
        self._lookup = lookup
        self._answered = Event()

    def wait(self) -> None:
        """Wait until the name was looked up once, with whatever outcome."""
        self._answered.wait()

    def follow(self) -> None:
        """Look the name up again and again: the body of a greenlet, which never returns."""
        while True:
            delay = self.refresh()
            self._answered.set()
            gevent.sleep(vary(delay, self._rng), ref=False)

    def refresh(self) -> float:
        """Look the name up once; the seconds after which to ask again."""
        try:
            answer = self._lookup(self.server.address)
        except ConnectError as error:
            self._fail(str(error))
            return RETRY_S
        chosen = choose(self.server.address.host, answer, self.server.endpoint)
        self._take(chosen)
        self._take_further([] if self.server.address.host == "localhost" else [one for one in answer if one != chosen])
        return REFRESH_S

    def _take(self, found: Address) -> None:
        known, self.server.endpoint = self.server.endpoint, found
        if self.error:
            log.info("%s resolves again, to %s", label(self.pool, self.server), found.host)
        elif known is not None and known != found:
            log.info("%s is at %s now, no longer at %s", label(self.pool, self.server), found.host, known.host)
        self.error = ""
        if known is None:
            self.pool.refresh()

    def _take_further(self, others: list[Address]) -> None:
        """Each further address is a server of its own, with its own health, as every proxy's users expect."""
        if self.pool.stand_in(self.server, others):
            hosts = ", ".join(one.host for one in others) or "none"
            log.info("%s has further addresses now: %s", label(self.pool, self.server), hosts)
            self._on_members()

    def _fail(self, reason: str) -> None:
        if not self.error:
            kept = self.server.endpoint
            kept_words = f"; {kept.host} is kept" if kept else ""
            log.warning("%s does not resolve: %s%s", label(self.pool, self.server), reason, kept_words)
        self.error = reason
