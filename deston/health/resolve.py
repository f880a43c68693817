"""Names: the only place where a server's name becomes an address that can be dialed.

What lives here: which of an answer's addresses a server gets, and who stands in for the others.
What must not: the questions themselves (``dns``), checks. Nothing in the path of a request waits for a name.
Invariant: ``server.endpoint`` of a named server is None or comes from a good answer; a failed lookup changes nothing.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import gevent
from gevent.event import Event

from deston.address import Address
from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.errors import ConnectError
from deston.health.dns import Lookup, Member
from deston.health.record import vary
from deston.health.words import label

# When to ask again after no answer.
RETRY_S = 5.0

log = logging.getLogger("deston.health")


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


def trouble_of(server: Server) -> str:
    """Why the name of a server has no address now, or keeps an old one; empty where it resolves."""
    return f"name does not resolve: {server.unresolved}" if server.unresolved else ""


class Name:
    """The name of one server, followed to its addresses by one greenlet.

    ``on_members`` is called when the pool has got other servers. ``is_heard`` tells whether this process is the one
    of its command whose lines about names are for an operator.
    """

    def __init__(
        self,
        pool: Pool,
        server: Server,
        rng: random.Random,
        on_members: Callable[[], None],
        lookup: Lookup,
        is_heard: Callable[[], bool] = lambda: True,
    ) -> None:
        self.pool = pool
        self.server = server
        self._is_heard = is_heard
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
        found = {member.address: member for member in answer.members}
        chosen = choose(self.server.address.host, list(found), self.server.endpoint)
        self._take(chosen)
        self._take_further([] if self.server.address.host == "localhost" else [one for one in found if one != chosen])
        if self.server.address.service:
            self._take_shares(found)
        return answer.seconds

    def _take_shares(self, found: dict[Address, Member]) -> None:
        """Let each server of a service have the weight, and be a backup, as the service says."""
        changed = False
        for server in self.pool.servers:
            if server is not self.server and server.origin is not self.server:
                continue
            member = found.get(server.endpoint or server.address)
            if member is None or member.weight is None:
                continue
            # A weight of 0 in the configuration stays: nobody is to come.
            weight, backup = member.weight if server.config.weight else 0, server.config.backup or bool(member.backup)
            if (server.base_weight, server.backup) != (weight, backup):
                server.base_weight, server.backup, changed = weight, backup, True
        if changed:
            self.pool.refresh()

    def _take(self, found: Address) -> None:
        known, self.server.endpoint = self.server.endpoint, found
        if self.server.unresolved:
            self._tell(logging.INFO, "%s resolves again, to %s", found.host)
        elif known is not None and known != found:
            self._tell(logging.INFO, "%s is at %s now, no longer at %s", found.host, known.host)
        self.server.unresolved = ""
        if known is None:
            self.pool.refresh()

    def _take_further(self, others: list[Address]) -> None:
        """Each further address is a server of its own, with its own health, as every proxy's users expect."""
        if self.pool.stand_in(self.server, others):
            hosts = ", ".join(str(one) if self.server.address.service else one.host for one in others) or "none"
            self._tell(logging.INFO, "%s has further addresses now: %s", hosts)
            self._on_members()

    def _fail(self, reason: str) -> None:
        if not self.server.unresolved:
            kept = self.server.endpoint
            kept_words = f"; {kept.host} is kept" if kept else ""
            self._tell(logging.WARNING, "%s does not resolve: %s%s", reason, kept_words)
        self.server.unresolved = reason

    def _tell(self, level: int, message: str, *words: str) -> None:
        log.log(level if self._is_heard() else logging.DEBUG, message, label(self.pool, self.server), *words)
