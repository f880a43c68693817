"""Passive marking: servers whose dials fail, or that answer badly, are left out for a while, before a check finds out.

What lives here: the window of failures, the marks, their growing length and their limits. Pure: the clock is
handed in and no greenlet waits; a mark ends when somebody calls ``expire`` after its time.
What must not: dialing, checks, and telling a bad answer from a good one (``Lease`` counts them, where a pool asks).
Invariant: marks never take the last usable server of a pool, nor more than half of its servers.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.errors import UnknownPool
from deston.health.words import label, standing

# As outlier detection does elsewhere: Envoy is out for its base time times the count, up to 5 minutes.
LONGEST_PENALTY_S = 300.0
# A server that was not marked for this long starts with the shortest penalty again.
FORGET_AFTER_S = 300.0
# After so long every process has heard that a server is up, and lifted its marks.
HEARD_AFTER_S = 2.0

#: Why a mark was not made, as a number that processes tell one another.
REFUSALS = ("", "it is the last usable server", "no more than half of the pool's servers may be out")

log = logging.getLogger("deston.health")


class _Record:
    """What is remembered of one server from its first failed dial on."""

    __slots__ = ("because", "count", "failures", "freed", "last", "penalty", "refusal", "until")

    def __init__(self, now: float, most: int) -> None:
        self.failures: deque[float] = deque(maxlen=most)
        self.last = now
        self.count = 0
        self.penalty = 0.0
        self.until = 0.0
        self.freed = now
        self.refusal = 0
        self.because = ""

    def add_failure(self, now: float, most: int, window: float) -> bool:
        """Take in a failed dial; whether it is one too many."""
        if most != self.failures.maxlen:
            self.failures = deque(self.failures, maxlen=most)
        self.failures.append(now)
        self.last = now
        return len(self.failures) == most and now - self.failures[0] <= window

    def mark(self, now: float, penalty: float) -> None:
        if now - self.freed >= FORGET_AFTER_S:
            self.count = 0
        self.count += 1
        self.penalty = min(penalty * self.count, max(penalty, LONGEST_PENALTY_S))
        self.until = now + self.penalty
        self.failures.clear()
        self.refusal = 0

    def age(self, now: float, window: float) -> bool:
        """Drop what is too old; whether nothing worth remembering is left."""
        if now - self.last > window:
            self.failures.clear()
            self.refusal = 0
        return not self.failures and not self.refusal and (not self.count or now - self.freed >= FORGET_AFTER_S)


class PassiveMarks:
    """Leaves a server out after so many failed dials within a while: three within ten seconds, by default.

    They need not be consecutive: a server that refuses every other client is no better for those in between. A
    mark lasts ``mark_time`` times the number of marks so far, five minutes at most. What another process has marked is
    left out here, too, within the same limits. The methods may be called from any thread; nothing in them switches
    greenlets while the lock is held.
    """

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._records: dict[Server, _Record] = {}
        #: Until when another process has marked a server that is marked here for that.
        self._mirrored: dict[Server, float] = {}
        #: When a check brought a server up, for as long as others may not have heard of it.
        self._cleared: dict[Server, float] = {}
        self._lock = threading.Lock()
        #: Told of a server whose mark is over, before its pool is refreshed.
        self.on_lift: Callable[[Pool, Server], None] = _ignore

    def observe(self, pool: Pool, server: Server, reached: bool) -> None:
        """Take in a dial: the ``observer`` of every pool. A success costs nothing and forgives nothing."""
        if reached or not server.usable or not pool.config.mark_failures:
            return
        with self._lock:
            message = self._add_failure(pool.name, server)
        if message:
            log.warning("%s", message)

    def answers_badly(self, pool: Pool, server: Server) -> None:
        """Take in that a server has answered badly so often in a row that its pool wants it out."""
        if not server.usable:
            return
        with self._lock:
            home = self._home(pool.name, server)
            because = f"{server.bad_answers} bad answers in a row"
            message = "" if home is None else self._try_to_mark(home, server, self._record(server, home), because)
        if message:
            log.warning("%s", message)

    def own(self, server: Server) -> tuple[float, int]:
        """What this process has found of a server by itself: until when it is marked, and why it is not (``REFUSALS``).

        The time is of the monotonic clock, 0.0 where it is not marked.
        """
        record = self._records.get(server)
        if record is None:
            return 0.0, 0
        is_own = server.marked and server not in self._mirrored
        return record.until if is_own else 0.0, record.refusal

    def mirror(self, pool: Pool, server: Server, until: float) -> None:
        """Leave a server out that another process has marked until then, or no longer where that is over."""
        is_mirrored = server in self._mirrored
        if self._clock() - self._cleared.get(server, -math.inf) < HEARD_AFTER_S:
            return
        if not is_mirrored and (server.marked or until <= self._clock() or _refusal(pool, server)):
            return
        with self._lock:
            if until > self._clock():
                self._mirrored[server] = until
                server.marked = True
            else:
                self._end_mirrored(pool, server)
        if is_mirrored is not server.marked:
            pool.refresh()

    def expire(self, now: float) -> None:
        """Lift the marks that are over at ``now``, and forget what no longer matters."""
        if not self._records and not self._mirrored and not self._cleared:
            return
        with self._lock:
            messages = self._expire(now)
        for message in messages:
            log.info("%s", message)

    def clear(self, server: Server) -> None:
        """Forget everything about a server, its mark included; the caller refreshes its pool."""
        with self._lock:
            self._records.pop(server, None)
            self._mirrored.pop(server, None)
            self._cleared[server] = self._clock()
            server.marked = False
            server.bad_answers = 0

    def reason(self, server: Server) -> str:
        """Why a server is marked, or is not although its dials fail; empty where there is nothing to say."""
        record = self._records.get(server)
        if record is None:
            return ""
        if server.marked:
            return f"out for {record.penalty:g}s: {record.because}"
        return f"not marked: {REFUSALS[record.refusal]}" if record.refusal else ""

    def _record(self, server: Server, pool: Pool) -> _Record:
        record = self._records.get(server)
        if record is None:
            record = self._records[server] = _Record(self._clock(), pool.config.mark_failures)
        return record

    def _add_failure(self, pool_name: str, server: Server) -> str:
        pool = self._home(pool_name, server)
        if pool is None:
            return ""
        config = pool.config
        record = self._record(server, pool)
        if not record.add_failure(self._clock(), config.mark_failures, config.mark_window):
            return ""
        because = f"{config.mark_failures} failed dials in {config.mark_window:g}s"
        return self._try_to_mark(pool, server, record, because)

    def _try_to_mark(self, pool: Pool, server: Server, record: _Record, because: str) -> str:
        """Mark a server, or note why not; what there is to be said about it."""
        now = self._clock()
        refusal = _refusal(pool, server)
        if refusal:
            known, record.refusal, record.last = record.refusal, refusal, now
            why = f"{label(pool, server)} stays in spite of {because}: {REFUSALS[refusal]}"
            return "" if known == refusal else why
        record.because = because
        record.mark(now, pool.config.mark_time)
        server.marked = True
        server.bad_answers = 0
        pool.refresh()
        return f"{label(pool, server)} is out for {record.penalty:g}s: {because} ({standing(pool)})"

    def _expire(self, now: float) -> list[str]:
        homes = {server: pool for pool in self._registry for server in pool.servers}
        messages = []
        self._cleared = {server: at for server, at in self._cleared.items() if now - at < HEARD_AFTER_S}
        # Whoever told of a mark may not be heard any more.
        for server, until in list(self._mirrored.items()):
            home = homes.get(server)
            if home is None:
                del self._mirrored[server]
            elif until <= now:
                self._end_mirrored(home, server)
                home.refresh()
        for server, record in list(self._records.items()):
            pool = homes.get(server)
            if pool is None:
                del self._records[server]  # A reload removed the server.
            elif server.marked and server not in self._mirrored:
                messages += self._lift(record, pool, server, now)
            elif record.age(now, pool.config.mark_window):
                del self._records[server]
        return messages

    def _lift(self, record: _Record, pool: Pool, server: Server, now: float) -> list[str]:
        if now < record.until:
            return []
        record.freed = now
        server.marked = False
        self.on_lift(pool, server)
        pool.refresh()
        return [f"{label(pool, server)} is let in again after {record.penalty:g}s ({standing(pool)})"]

    def _end_mirrored(self, pool: Pool, server: Server) -> None:
        if self._mirrored.pop(server, None) is not None:
            server.marked = False
            self.on_lift(pool, server)

    def _home(self, pool_name: str, server: Server) -> Pool | None:
        """The pool in which a server is now, or None: a reload replaces pools, while leases and servers live on."""
        try:
            pool = self._registry.pool(pool_name)
        except UnknownPool:
            return None
        return pool if server in pool.servers else None


def _refusal(pool: Pool, server: Server) -> int:
    """Why a server may not be marked, as a place in ``REFUSALS``; 0 if it may."""
    if not any(other.usable for other in pool.servers if other is not server):
        return 1
    if 2 * (1 + sum(other.marked for other in pool.servers)) > len(pool.servers):
        return 2
    return 0


def _ignore(pool: Pool, server: Server) -> None:
    """Nobody wants to be told."""
