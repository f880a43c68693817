"""One process among those that run the same configuration.

What lives here: what it tells the others and takes from them: leases, health, the operator's changes; and who of them
checks health.
What must not: how it is kept (``store``), what a change means for listeners.
Invariant: nothing on the path of a request waits for this; whatever is wrong with the files, the process serves on with
what it knows, and says so once.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable

import gevent

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health, Server
from deston.config.model import Config
from deston.errors import DestonError, StoreError
from deston.health.monitor import Monitor
from deston.store.base import State, Store
from deston.store.board import Counts, Found
from deston.store.places import monitor_lock, open_board, open_store

log = logging.getLogger("deston.sharing")

# How often leases are told and taken, in seconds, and what each server adds to that: half a second for a thousand.
TICK, TICK_PER_SERVER = 0.05, 0.0005
# How often a process beats, tries to lead, and looks for the dead.
BEAT = 0.5

_HEALTHS = (Health.UNCHECKED, Health.UP, Health.DOWN)


def row_name(pool: str, server: Server) -> str:
    """What a server is called on the board: with its address, so that a name which moved is another."""
    return f"{pool}\0{server.name}\0{server.address}"


class Sharing:
    """A process's part; ``on_change`` is told of a new state of the store, in the hub of the monitor.

    Raises ``StoreError`` where the files cannot be used.
    """

    def __init__(
        self, config: Config, registry: Registry, monitor: Monitor, on_change: Callable[[State], None]
    ) -> None:
        self._config = config
        self._registry = registry
        self._monitor = monitor
        self._on_change = on_change
        self._lock_file = monitor_lock(config)
        self._lock = -1
        self._store: Store = open_store(config)
        #: What is desired beyond the file, as this process knows it.
        self.state = self._store.read()
        self._board = open_board(config)
        self._place = 0
        self._rows: dict[Server, int] = {}
        self._told: dict[Server, Found] = {}
        self._next_beat = 0.0
        self._trouble = ""
        # Until somebody has decided: a process that is alone leads at once.
        monitor.leads = False

    def start(self) -> None:
        """Take part from now on; called in the monitor's hub, before it watches anything."""
        try:
            self._place = self._board.take_place()
            if self._board.revision < self.state.revision:
                self._board.revision = self.state.revision
            self._publish()
            self._beat(time.monotonic())
            self._turn()
        except (DestonError, OSError) as error:
            self._tell(f"nothing is shared with other processes: {error}")
            self._place = 0
            self._monitor.lead(True)

    def run(self) -> None:
        """Take part for ever: the body of a greenlet."""
        while self._place:
            gevent.sleep(max(TICK, TICK_PER_SERVER * len(self._rows)), ref=False)
            try:
                self._turn()
                self._trouble = ""
            except Exception as error:  # Whatever it is, the next turn is to be tried.
                self._tell(f"what processes share cannot be used, this one goes on with what it knows: {error}")

    def stop(self) -> None:
        """Take part no more; a second call does nothing."""
        if not self._place:
            return
        self._publish()
        self._board.leave_place(self._place)
        self._place = 0
        self._give_up_lead()
        self._board.close()

    def _turn(self) -> None:
        self._publish()
        self._take_leases()
        if self._monitor.leads:
            self._tell_health()
        else:
            self._take_health()
        now = time.monotonic()
        if now >= self._next_beat:
            self._beat(now)
        if self._board.revision != self.state.revision:
            self._take_state()

    def _beat(self, now: float) -> None:
        self._next_beat = now + BEAT
        if not self._board.is_in_place:
            self._begin_anew()
        elif not self._board.holds(self._place):
            # Silent for so long that others took it for dead, such as a process that was stopped and went on.
            self._place = self._board.take_place()
        self._board.beat(self._place, self.state.revision)
        self._try_to_lead()
        if self._monitor.leads:
            for process in self._board.retire_dead():
                log.warning("the worker %d is gone; what it had under way counts no more", process)

    def _begin_anew(self) -> None:
        """Somebody has moved the board away: there is another one."""
        log.warning("the board is gone, a new one is begun")
        self._board.close()
        self._board = open_board(self._config)
        self._place = self._board.take_place()
        self._board.revision = max(self._board.revision, self.state.revision)
        if self._monitor.leads:
            self._board.leader = os.getpid()
        self._rows.clear()
        self._told.clear()
        self._publish()

    # --- leases and counters

    def _publish(self) -> None:
        """Tell what this process carries."""
        in_use = {server: pool for pool in self._registry for server in pool.servers}
        for server, pool in in_use.items():
            if server not in self._rows:
                self._rows[server] = self._board.row(row_name(pool.name, server))
        for server, row in list(self._rows.items()):
            own = server.active - server.elsewhere
            counts = Counts(own, server.total, server.failures, server.bytes_in, server.bytes_out, server.latency)
            self._board.put_counts(self._place, row, counts)
            if server not in in_use and own <= 0:
                del self._rows[server]
                self._told.pop(server, None)

    def _take_leases(self) -> None:
        """Count what others have under way as this process's own: policies and limits then look at all of it."""
        others = [one.place for one in self._board.workers() if one.place != self._place]
        for server, row in self._rows.items():
            elsewhere = self._board.active_elsewhere(others, row) if others else 0
            if elsewhere != server.elsewhere:
                had_room = not server.full
                server.active += elsewhere - server.elsewhere
                server.elsewhere = elsewhere
                if not had_room and not server.full:
                    self._tell_queues(server)

    def _tell_queues(self, server: Server) -> None:
        for pool in self._registry:
            if server in pool.servers:
                pool.queue.tell_next()

    # --- health

    def _tell_health(self) -> None:
        for server, row in self._rows.items():
            known = self._told.get(server)
            health = _HEALTHS.index(server.health)
            if known is None or (known.health, known.reason) != (health, server.check_reason):
                found = self._told[server] = Found(health, time.time(), server.check_reason)
                self._board.put_health(row, found)

    def _take_health(self) -> None:
        for pool in self._registry:
            self._take_health_of(pool)

    def _take_health_of(self, pool: Pool) -> None:
        flipped: list[tuple[Server, Health]] = []
        for server in pool.servers:
            row = self._rows.get(server)
            if row is None or server.is_hosted:
                continue
            found = self._board.health(row)
            if not found.at or found == self._told.get(server):
                continue
            self._told[server] = found
            server.check_reason = found.reason
            if server.health is not _HEALTHS[found.health]:
                flipped.append((server, server.health))
                server.health = _HEALTHS[found.health]
        if flipped:
            self._monitor.flips.take(pool, flipped)

    def _try_to_lead(self) -> None:
        """Lead where nobody else does: the lock of a process that died is free."""
        if self._lock >= 0:
            return
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return
        self._lock = descriptor
        self._board.leader = os.getpid()
        self._take_health()  # What was known last: the first check decides anew.
        self._told.clear()
        self._monitor.lead(True)

    def _give_up_lead(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- changes

    def _take_state(self) -> None:
        state = self._store.read()
        if state.revision == self.state.revision:
            return
        self.state = state
        self._on_change(state)
        self._board.beat(self._place, state.revision)

    def _tell(self, trouble: str) -> None:
        """Log what is wrong once, for as long as it lasts."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("%s", trouble)

    def __repr__(self) -> str:
        return f"<Sharing place {self._place}, revision {self.state.revision}, leads {self._monitor.leads}>"


def share(config: Config, registry: Registry, monitor: Monitor, on_change: Callable[[State], None]) -> Sharing | None:
    """Take part in what processes share; None where that cannot be, which is said."""
    try:
        return Sharing(config, registry, monitor, on_change)
    except StoreError as error:
        log.error("nothing is shared with other processes: %s", error)
        return None
