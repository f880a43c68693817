"""A pool: equal servers, the policy that picks among them, and the leases on them.

What lives here: which servers are candidates, the pick, the lease, and what a lease counts.
What must not: retries (they belong to the proxies), health checks, sockets, the clock.
Invariant: the candidates are exactly the usable servers; whoever changes what ``Server.usable`` says calls
``refresh`` before anything else runs. Nothing here switches greenlets, so that a pick is atomic.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Final

from deston.address import Address
from deston.balancer.histogram import Histogram
from deston.balancer.policies.base import Policy
from deston.balancer.queue import Queue
from deston.balancer.server import Server
from deston.config.model import PoolConfig
from deston.errors import AllServersFull, NoServerAvailable

# In such parts of its weight a server starts slowly, so that weights stay whole.
_TENTHS: Final = 10

#: Told of each dial: the pool, the server, and whether it was reached. Passive health listens.
DialObserver = Callable[["Pool", Server, bool], None]
#: Told of a server that has answered badly too often in a row.
OutlierObserver = Callable[["Pool", Server], None]


def _ignore(pool: Pool, server: Server, reached: bool = True) -> None:
    """Stand in for an observer where nobody listens."""


class Pool:
    """A named group of equal servers.

    ``config`` holds the timeouts and retries that the proxies ask for. ``observer`` is called for each dial.
    """

    __slots__ = (
        "_backups", "_candidates", "_primaries", "_refreshing", "_thins", "config", "first_bytes", "name", "observer",
        "outlier_observer", "policy", "queue", "refused", "retried", "servers", "totals",
    )  # fmt: skip

    def __init__(self, config: PoolConfig, policy: Policy, servers: tuple[Server, ...]) -> None:
        self.name = config.name
        self.config = config
        self.policy = policy
        self.servers = servers
        self.observer: DialObserver = _ignore
        self.outlier_observer: OutlierObserver = _ignore
        #: How often nothing could be picked, whether the client then waited or not.
        self.refused = 0
        #: How often another server was tried after one had failed.
        self.retried = 0
        #: How long servers took to answer, and exchanges, connections and sessions until they were over.
        self.first_bytes = Histogram()
        self.totals = Histogram()
        self.queue = Queue()
        # Where requests run in threads, the monitor's thread and a request's may see a flip at the same time.
        self._refreshing = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Find the candidates anew; to be called after any change to what ``Server.usable`` says."""
        with self._refreshing:
            self._weigh()
            usable = [server for server in self.servers if server.usable]
            self._primaries = tuple(server for server in usable if not server.backup)
            self._backups = tuple(server for server in usable if server.backup)
            self._candidates = self._primaries or self._backups
            self.policy.prepare(self._candidates)
        self.queue.tell_next()

    def _weigh(self) -> None:
        """Give each server the weight that policies compare; those that start slowly have tenths of theirs."""
        starts_slowly = any(server.share < 1.0 for server in self.servers)
        for server in self.servers:
            full = server.base_weight
            server.weight = max(1, round(full * _TENTHS * server.share)) if starts_slowly and full else full
        self._thins = starts_slowly and not self.policy.weighs

    def stand_in(self, origin: Server, endpoints: Collection[Address]) -> bool:
        """Have a server for each further address of a named one, and none for others; whether that changed anything.

        Those that stay keep their health and counters.
        """
        known = {server.address: server for server in self.servers if server.origin is origin}
        if known.keys() == set(endpoints):
            return False
        others = [server for server in self.servers if server.origin is not origin]
        stand_ins = [known.get(endpoint) or Server(origin.config, origin, endpoint) for endpoint in endpoints]
        self.servers = (*others, *stand_ins)
        self.refresh()
        return True

    @property
    def is_available(self) -> bool:
        """Whether it has a server for new clients, however full it is."""
        return bool(self._candidates)

    @property
    def has_room(self) -> bool:
        """Whether a server is not full."""
        return any(not server.full for server in self._candidates)

    def pick(self, key: str, exclude: Collection[Server] = ()) -> Server:
        """Choose a server for a client.

        ``key`` is what hashing policies hash (a client's address without the port), ``exclude`` the servers that
        were tried before. Backup servers serve when no other can. Raises ``NoServerAvailable``, and its kind
        ``AllServersFull`` where waiting may help.
        """
        candidates = self._candidates
        if candidates and not exclude:
            server = self.policy.pick(candidates, key)
            if not server.full and not (self._thins and self._passes_over(server)):
                return server
        return self._pick_among_rest(key, exclude)

    def _pick_among_rest(self, key: str, exclude: Collection[Server]) -> Server:
        for group in (self._primaries, self._backups):
            rest = tuple(server for server in group if not server.full and server not in exclude)
            if rest and self._thins:
                rest = tuple(server for server in rest if not self._passes_over(server)) or rest
            if rest:
                return self.policy.pick(rest, key)
        self.refused += 1
        if any(server not in exclude for server in (*self._primaries, *self._backups)):
            raise AllServersFull(f"pool {self.name}: all servers are full")
        raise NoServerAvailable(f"pool {self.name} has no server available")

    def _passes_over(self, server: Server) -> bool:
        """Whether a server that starts slowly is left out this once, under a policy that knows no weights."""
        return server.share < 1.0 and self.policy.rng.random() >= server.share

    def lease(self, key: str, exclude: Collection[Server] = (), preferred: Server | None = None) -> Lease:
        """Pick a server and count its use until the lease is released.

        ``preferred`` is the server whose client it is already, which is not picked anew while that can serve it. Other
        arguments, and errors, are as for ``pick``.
        """
        if preferred is not None and preferred.keeps and not preferred.full and preferred not in exclude:
            return Lease(self, preferred)
        return Lease(self, self.pick(key, exclude))

    def __repr__(self) -> str:
        usable = sum(server.usable for server in self.servers)
        active = sum(server.active for server in self.servers)
        return f"<Pool {self.name} {usable}/{len(self.servers)} usable, {active} active, {self.config.algorithm}>"


class Lease:
    """One counted use of a server, from before the dial until it is released.

    Used with ``with``, or released by whoever ends the exchange; releasing twice is once.
    """

    __slots__ = ("_open", "pool", "server")

    def __init__(self, pool: Pool, server: Server) -> None:
        self.pool = pool
        self.server = server
        self._open = True
        server.active += 1
        server.total += 1

    def reached(self) -> None:
        """The server accepted a dial."""
        self.pool.observer(self.pool, self.server, True)

    def answered(self, seconds: float) -> None:
        """The server took so long to answer: to its first byte, or at L4 until it accepted."""
        self.server.observe_latency(seconds)
        self.pool.first_bytes.add(seconds)
        if self.pool.policy.learns:
            self.pool.policy.observe(self.server, seconds)

    def lasted(self, seconds: float) -> None:
        """What the lease was for is over, in good order or not, so long after its server was asked."""
        self.pool.totals.add(seconds)

    def failed(self) -> None:
        """The server could not be reached, or broke off before it answered."""
        self.server.failures += 1
        self.pool.observer(self.pool, self.server, False)

    def judge(self, status: int) -> None:
        """The server answered with a status, and its pool holds some against it (``mark_statuses``)."""
        config, server = self.pool.config, self.server
        if status not in config.mark_statuses:
            server.bad_answers = 0
            return
        server.bad_answers += 1
        if server.bad_answers >= config.mark_after:
            self.pool.outlier_observer(self.pool, server)

    def release(self) -> None:
        """Lower the server's count; a second call does nothing."""
        if self._open:
            self._open = False
            self.server.active -= 1
            if self.pool.queue.waiting:
                self.pool.queue.tell_next()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
