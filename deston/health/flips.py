"""What a server's flip brings about, the same in the process that checks and in those that are told.

What lives here: the consequences of a new health for marks, slow start and what is under way, and the line about it.
What must not: checks, how the news travels between processes, and ending connections themselves.
Invariant: the pool is refreshed after all its servers are told, and before anything is logged.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

from deston.balancer.pool import Pool
from deston.balancer.server import Health, Server
from deston.config.model import OnLeaving
from deston.health.passive import PassiveMarks
from deston.health.slow_start import SlowStart
from deston.health.words import label, standing

log = logging.getLogger("deston.health")


class Flips:
    """Takes in flips. ``clock`` gives seconds, those in which connections count their deadlines."""

    def __init__(self, marks: PassiveMarks, slow_start: SlowStart, clock: Callable[[], float]) -> None:
        self._marks = marks
        self._slow_start = slow_start
        self._clock = clock
        #: How many seconds ``drain`` gives to what is under way.
        self.drain_timeout = 0.0
        #: Whether this process is the one of its command that tells an operator of flips, and of names.
        self.is_heard: Callable[[], bool] = lambda: True

    def take(self, pool: Pool, flipped: Iterable[tuple[Server, Health]]) -> None:
        """Servers of the pool have a health other than the one that was known."""
        told = list(flipped)
        for server, known in told:
            self._apply(pool, server, known)
        pool.refresh()
        is_heard = not told or self.is_heard()
        for server, known in told:
            tell_flip(pool, server, known, is_heard)

    def removed(self, servers: Iterable[Server], on_remove: OnLeaving) -> None:
        """Servers belong to no pool any more."""
        for server in servers:
            server.ends_at = self._ends_at(on_remove)

    def _apply(self, pool: Pool, server: Server, known: Health) -> None:
        if server.health is Health.DOWN:
            self._slow_start.stop(server)
            server.ends_at = self._ends_at(pool.config.on_down)
            return
        server.ends_at = math.inf
        if server.health is Health.UP:
            self._marks.clear(server)
            if known is Health.DOWN:
                self._slow_start.begin(pool, server)

    def _ends_at(self, what: OnLeaving) -> float:
        if what is OnLeaving.KEEP:
            return math.inf
        return self._clock() + (self.drain_timeout if what is OnLeaving.DRAIN else 0.0)


def tell_flip(pool: Pool, server: Server, known: Health, is_heard: bool = True) -> None:
    """Log that a server's health is another than the ``known`` one.

    A server that is up at the first look is no news, nor one that is not looked at any more, which is an operator's own
    doing; one that goes down is what an operator is woken for.
    """
    if not is_heard:
        level = logging.DEBUG
    elif server.health is Health.DOWN:
        level = logging.WARNING
    else:
        level = logging.DEBUG if Health.UNCHECKED in (known, server.health) else logging.INFO
    words = label(pool, server), server.health.value, server.check_reason, standing(pool)
    log.log(level, "%s is %s: %s (%s)", *words)
