"""The monitor: every server of a registry under watch.

What lives here: which servers are watched, and that passive marks and slow starts end in time.
What must not: the checking of one server, and threads.
Invariant: after ``sync`` exactly the registry's servers are watched, each with the settings of its pool.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Protocol

import gevent

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.config.model import HealthConfig, TlsConfig
from deston.health.checks import make_check
from deston.health.dns import Lookup, Resolver
from deston.health.flips import Flips
from deston.health.passive import PassiveMarks
from deston.health.probes import Check
from deston.health.slow_start import SlowStart
from deston.health.watch import Settings, Watch

# How often it is looked for marks that are over and shares that grow, and how long stopping may take at most.
MARKS_TICK_S = 0.5
STOP_TIMEOUT_S = 2.0
# Without gevent's patches each HTTP check that hangs holds a thread; with gevent's ten, so many servers that hang
# would hold up the checks of the others. Threads are made when they are needed.
CHECK_THREADS = 50

CheckFactory = Callable[[HealthConfig, TlsConfig], "Check | None"]

log = logging.getLogger("deston.health")


class Companion(Protocol):
    """Runs beside the monitor, in its hub."""

    def start(self) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...


class Monitor:
    """Watches all servers of a registry, in greenlets of the hub in which it is started.

    ``marks.observe`` is to be the observer of every pool. ``clock`` tells the seconds for passive marks; ``factory``
    makes the checks, ``lookup`` resolves names. The greenlets keep neither the hub nor the process alive.
    """

    def __init__(
        self,
        registry: Registry,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        factory: CheckFactory = make_check,
        lookup: Lookup | None = None,
    ) -> None:
        self.lookup = lookup or Resolver()
        self.marks = PassiveMarks(registry, clock)
        self._slow_start = SlowStart(registry, clock)
        self.flips = Flips(self.marks, self._slow_start, clock)
        self.marks.on_lift = self._slow_start.begin
        self.registry = registry
        self._rng = rng or random.Random()
        self._clock = clock
        self._factory = factory
        self._watches: dict[Server, Watch] = {}
        self._marks_keeper: gevent.Greenlet[..., None] | None = None
        #: Whether this process checks health, or another one that tells it.
        self.leads = True
        #: What runs beside it: what takes part in what processes share, and what answers commands.
        self.companions: list[Companion] = []
        self._beside: list[gevent.Greenlet[..., None]] = []

    def lead(self, leads: bool) -> None:
        """Check health from now on, or leave it to another process."""
        if leads == self.leads:
            return
        self.leads = leads
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()
        self.sync()

    def start(self) -> None:
        """Begin to watch; returns before the first check. A second call does nothing."""
        if self._marks_keeper is None:
            threads = gevent.get_hub().threadpool
            threads.maxsize = max(threads.maxsize, CHECK_THREADS)
            self._marks_keeper = gevent.spawn(self._keep_marks)
            for companion in self.companions:
                companion.start()
                self._beside.append(gevent.spawn(companion.run))
            self.sync()

    def stop(self) -> None:
        """End all watching, within two seconds; the servers keep the health that they have."""
        if self._marks_keeper is None:
            return
        gevent.killall(self._beside)
        if self._beside:
            self._beside.clear()
            for companion in self.companions:
                companion.stop()
        ending = [greenlet for watch in self._watches.values() for greenlet in watch.stop()]
        self._marks_keeper.kill(block=False)
        ending.append(self._marks_keeper)
        self._marks_keeper = None
        self._watches.clear()
        gevent.joinall(ending, timeout=STOP_TIMEOUT_S)

    def sync(self) -> None:
        """Take over what the registry has now: to be called after each reload and each change to maint.

        Servers that came are watched, those that went are not any more, those whose settings changed are watched
        anew; the others are not disturbed. Nothing here switches greenlets.
        """
        if self._marks_keeper is None:
            return
        checked = self._end_watches({server: pool for pool in self.registry for server in pool.servers})
        for pool in self.registry:
            self._watch(pool, checked)

    def _end_watches(self, homes: dict[Server, Pool]) -> set[Server]:
        """End those whose server is not in ``homes`` any more, or is to be watched in another way.

        The servers of those that have checked them.
        """
        checked = set()
        for server, watch in list(self._watches.items()):
            pool = homes.get(server)
            if pool is None or watch.settings != Settings.of(pool, server):
                watch.stop()
                del self._watches[server]
                if not watch.is_hearsay:
                    checked.add(server)
        return checked

    def _watch(self, pool: Pool, checked: set[Server]) -> None:
        newcomers = [server for server in pool.servers if server not in self._watches]
        for server in pool.servers:
            if server in self._watches:
                self._watches[server].move(pool)
        check = self._factory(pool.config.health, pool.config.tls) if newcomers else None
        for server in newcomers:
            self._watches[server] = Watch(
                pool,
                server,
                None if server.is_hosted else check,
                self.flips,
                self._rng,
                self.sync,
                self.lookup,
                self.leads,
                server not in checked,
            )
            self._watches[server].start()

    def _keep_marks(self) -> None:
        while True:
            gevent.sleep(MARKS_TICK_S, ref=False)
            self._let_in()

    def _let_in(self) -> None:
        try:
            self.marks.expire(self._clock())
            self._slow_start.advance()
        except Exception:  # The greenlet lasts as long as the process: its end would leave servers out for good.
            log.exception("servers are not let in again, by a fault of Deston")
