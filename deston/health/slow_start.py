"""Slow start: a server that recovered gets its share of clients bit by bit.

What lives here: which servers recover, and what each may have by now. Pure: the clock is handed in.
What must not: the pick (``Pool`` and its policy heed what is said here), and what a recovery is (``flips``).
Invariant: a share grows from a tenth to the whole within the pool's ``slow_start``, and never falls meanwhile.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server

# defaults.md, "Slow start": from 10 %, which is Envoy's floor, too.
TENTHS = 10


class SlowStart:
    """Lets the servers of a registry start slowly, after a recovery; for any thread."""

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock
        self._since: dict[Server, float] = {}
        self._lock = threading.Lock()

    def begin(self, pool: Pool, server: Server) -> None:
        """A server of the pool has recovered; the caller refreshes the pool.

        Where it is the only one that clients may have, slowness would help nobody.
        """
        if not pool.config.slow_start or not any(one.usable for one in pool.servers if one is not server):
            return
        with self._lock:
            self._since[server] = self._clock()
            server.share = 1 / TENTHS

    def stop(self, server: Server) -> None:
        """A server is out again, or starts no longer slowly; the caller refreshes its pool."""
        with self._lock:
            self._since.pop(server, None)
            server.share = 1.0

    def advance(self) -> None:
        """Raise the shares; to be called a few times a second."""
        if not self._since:
            return
        homes = {server: pool for pool in self._registry for server in pool.servers}
        with self._lock:
            changed = {homes[server] for server in list(self._since) if self._raise(server, homes.get(server))}
        for pool in changed:
            pool.refresh()

    def _raise(self, server: Server, pool: Pool | None) -> bool:
        """Give a server what it may have by now; whether that is more, and there is a pool to be told."""
        seconds = pool.config.slow_start if pool is not None else 0.0
        passed = (self._clock() - self._since[server]) / seconds if seconds else 1.0
        share = min(TENTHS, 1 + math.floor(passed * (TENTHS - 1) + 1e-9)) / TENTHS
        if share >= 1.0:
            del self._since[server]
        if share <= server.share:
            return False
        server.share = share
        return pool is not None
