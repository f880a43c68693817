"""Passive marking: servers whose dials fail are left out for a while, before a check finds out.

What lives here: the window of failures, the marks, their growing length and their limits. Pure: the clock is
handed in and no greenlet waits; a mark ends when somebody calls ``expire`` after its time.
What must not: dialing, checks, and counting what a server answered (a 5xx is an answer).
Invariant: marks never take the last usable server of a pool, nor more than half of its servers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.errors import UnknownPool
from deston.health.words import label, standing

# As outlier detection does elsewhere: nginx is out for 10 s, Envoy for 30 s times the count, up to 5 minutes.
FAILURES = 3
WINDOW_S = 10.0
PENALTY_S = 10.0
LONGEST_PENALTY_S = 300.0
# A server that was not marked for this long starts with the shortest penalty again.
FORGET_AFTER_S = 300.0

_BECAUSE = f"{FAILURES} failed dials in {WINDOW_S:g}s"

log = logging.getLogger("deston.health")


class _Record:
    """What is remembered of one server from its first failed dial on."""

    __slots__ = ("count", "failures", "freed", "penalty", "refusal", "until")

    def __init__(self, now: float) -> None:
        self.failures: deque[float] = deque(maxlen=FAILURES)
        self.count = 0
        self.penalty = 0.0
        self.until = 0.0
        self.freed = now
        self.refusal = ""

    def add_failure(self, now: float) -> bool:
        """Take in a failed dial; whether it is one too many."""
        self.failures.append(now)
        return len(self.failures) == FAILURES and now - self.failures[0] <= WINDOW_S

    def mark(self, now: float) -> None:
        if now - self.freed >= FORGET_AFTER_S:
            self.count = 0
        self.count += 1
        self.penalty = min(PENALTY_S * self.count, LONGEST_PENALTY_S)
        self.until = now + self.penalty
        self.failures.clear()
        self.refusal = ""

    def age(self, now: float) -> bool:
        """Drop what is too old; whether nothing worth remembering is left."""
        if self.failures and now - self.failures[-1] > WINDOW_S:
            self.failures.clear()
            self.refusal = ""
        return not self.failures and (not self.count or now - self.freed >= FORGET_AFTER_S)


class PassiveMarks:
    """Leaves a server out after three failed dials within ten seconds.

    They need not be consecutive: a server that refuses every other client is no better for those in between. A
    mark lasts ten seconds times the number of marks so far, five minutes at most. Each process has its own marks.
    The methods may be called from any thread; nothing in them switches greenlets while the lock is held.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._records: dict[Server, _Record] = {}
        self._lock = threading.Lock()

    def observe(self, pool: Pool, server: Server, reached: bool) -> None:
        """Take in a dial: the ``observer`` of every pool. A success costs nothing and forgives nothing."""
        if reached or not server.usable:
            return
        with self._lock:
            message = self._add_failure(pool.name, server)
        if message:
            log.warning("%s", message)

    def expire(self, now: float) -> None:
        """Lift the marks that are over at ``now``, and forget what no longer matters."""
        if not self._records:
            return
        with self._lock:
            messages = self._expire(now)
        for message in messages:
            log.info("%s", message)

    def clear(self, server: Server) -> None:
        """Forget everything about a server, its mark included; the caller refreshes its pool."""
        with self._lock:
            self._records.pop(server, None)
            server.marked = False

    def reason(self, server: Server) -> str:
        """Why a server is marked, or is not although its dials fail; empty where there is nothing to say."""
        record = self._records.get(server)
        if record is None:
            return ""
        return f"out for {record.penalty:g}s: {_BECAUSE}" if server.marked else record.refusal

    def _add_failure(self, pool_name: str, server: Server) -> str:
        pool = self._home(pool_name, server)
        if pool is None:
            return ""
        now = self._clock()
        record = self._records.setdefault(server, _Record(now))
        if not record.add_failure(now):
            return ""
        refusal = _refusal(pool, server)
        if refusal:
            return self._refuse(record, refusal, label(pool, server))
        record.mark(now)
        server.marked = True
        pool.refresh()
        return f"{label(pool, server)} is out for {record.penalty:g}s: {_BECAUSE} ({standing(pool)})"

    def _refuse(self, record: _Record, refusal: str, name: str) -> str:
        known, record.refusal = record.refusal, f"not marked: {refusal}"
        return "" if known == record.refusal else f"{name} stays in spite of {_BECAUSE}: {refusal}"

    def _expire(self, now: float) -> list[str]:
        homes = {server: pool for pool in self._registry for server in pool.servers}
        messages = []
        for server, record in list(self._records.items()):
            pool = homes.get(server)
            if pool is None:
                del self._records[server]  # A reload removed the server.
            elif server.marked:
                messages += self._lift(record, pool, server, now)
            elif record.age(now):
                del self._records[server]
        return messages

    def _lift(self, record: _Record, pool: Pool, server: Server, now: float) -> list[str]:
        if now < record.until:
            return []
        record.freed = now
        server.marked = False
        pool.refresh()
        return [f"{label(pool, server)} is let in again after {record.penalty:g}s ({standing(pool)})"]

    def _home(self, pool_name: str, server: Server) -> Pool | None:
        """The pool in which a server is now, or None: a reload replaces pools, while leases and servers live on."""
        try:
            pool = self._registry.pool(pool_name)
        except UnknownPool:
            return None
        return pool if server in pool.servers else None


def _refusal(pool: Pool, server: Server) -> str:
    """Why a server may not be marked, or empty if it may."""
    if not any(other.usable for other in pool.servers if other is not server):
        return "it is the last usable server"
    if 2 * (1 + sum(other.marked for other in pool.servers)) > len(pool.servers):
        return "no more than half of the pool's servers may be out"
    return ""
