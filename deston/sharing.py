"""One process among those that run the same configuration.

What lives here: what it tells the others and takes from them: leases, marks, health, the operator's changes; and who of
them checks health.
What must not: how it is kept (``store``), which numbers there are (``publishing``), what a change means for listeners.
Invariant: nothing on the path of a request waits for this; whatever is wrong with the files, the process serves on with
what it knows, says so once, and tries again.
"""

from __future__ import annotations

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
from deston.figures import Source
from deston.health.monitor import Monitor
from deston.health.resolve import trouble_of
from deston.leading import Lead
from deston.publishing import Publishing
from deston.store.base import State, Store
from deston.store.board import Board
from deston.store.counted import Found
from deston.store.limit_tables import LimitTables
from deston.store.places import monitor_lock, open_board, open_limit_tables, open_store

log = logging.getLogger("deston.sharing")

# How often it is looked for changes, and leases are told and taken, in seconds; and what each server adds to the time
# between the latter: half a second for a thousand.
TICK, TICK_PER_SERVER = 0.05, 0.0005
# How often a process beats, tries to lead, and looks for the dead.
BEAT = 0.5
# For how long a leader may be silent before another process leads, in seconds: longer than a busy machine stalls one.
MOST_SILENCE = 3.0

_HEALTHS = (Health.UNCHECKED, Health.UP, Health.DOWN)


class Sharing:
    """A process's part; ``on_change`` is told of a new state of the store, in the hub of the monitor."""

    def __init__(
        self, config: Config, registry: Registry, monitor: Monitor, on_change: Callable[[State], None]
    ) -> None:
        self._config = config
        self._registry = registry
        self._monitor = monitor
        self._on_change = on_change
        self._store: Store = open_store(config)
        #: What is desired beyond the file, as this process knows it.
        self.state = State()
        # The revision that is in force here.
        self._applied = 0
        self._board: Board | None = None
        self._place = self._tables_of = 0
        self._tables: LimitTables | None = None
        self._lead = Lead(monitor_lock(config))
        self.publishing = Publishing(registry, monitor.marks)
        #: What there is to be told of this process beyond its servers.
        self.sources: list[Source] = []
        self._told: dict[Server, Found] = {}
        self._next_counts = self._next_beat = 0.0
        self._troubles: dict[str, str] = {}
        # Until somebody has decided: a process that is alone leads at once.
        monitor.leads = False
        monitor.flips.is_heard = self._is_heard
        try:
            self.state = self._store.read()
            self._applied = self.state.revision
        except StoreError as error:
            self._tell("store", f"the operator's changes are not known: {error}")

    def start(self) -> None:
        """Take part from now on; called in the monitor's hub, before it watches anything."""
        self._join()
        if self._board is not None:
            self._turn()

    def run(self) -> None:
        """Take part for ever: the body of a greenlet."""
        while True:
            gevent.sleep(TICK, ref=False)
            if self._board is not None:
                self._turn()
            elif time.monotonic() >= self._next_beat:
                self._next_beat = time.monotonic() + BEAT
                self._join()

    def processes(self) -> list[int]:
        """All processes that take part now."""
        return [one.process for one in self._board.living()] if self._board is not None else []

    def stop(self) -> None:
        """Take part no more; a second call does nothing."""
        board, self._board = self._board, None
        if board is None:
            return
        self._leave_tables()
        try:
            self.publishing.tell(board, self._place)
            board.leave_place(self._place)
        except DestonError as error:
            log.error("the board is left as it is: %s", error)
        self._lead.give_up()
        board.close()

    def _join(self) -> None:
        """Begin to take part; where that cannot be, this process checks for itself."""
        try:
            self._enter(open_board(self._config))
        except Exception as error:  # Whatever is wrong with a file must not stop a start.
            self._tell("board", f"nothing is shared with other processes: {error}", error)
            self._monitor.lead(True)
            return
        self._tell("board", "")
        if self._monitor.leads and not self._lead.is_held:
            self._monitor.lead(False)

    def _enter(self, board: Board) -> None:
        try:
            self._place = board.take_place()
            board.raise_revision(self.state.revision)
        except BaseException:
            board.close()
            raise
        old, self._board = self._board, board
        if old is not None:
            old.close()
        if self._lead.is_held:
            board.leader = os.getpid()
        self.publishing.forget_rows()
        self._told.clear()
        self._next_counts = self._next_beat = 0.0

    def _turn(self) -> None:
        """One turn: whatever part of it fails, the others are tried, and all of them in the next one."""
        parts: dict[str, Callable[[Board], None]] = {}
        now = time.monotonic()
        if now >= self._next_counts:
            self._next_counts = now + TICK_PER_SERVER * len(self.publishing.rows)
            parts |= {"counts": self._share_counts, "health": self._share_health}
        if now >= self._next_beat:
            self._next_beat = now + BEAT
            parts |= {"beat": self._beat, "figures": self._tell_figures, "limits": self._take_tables}
        parts["changes"] = self._share_changes
        for name, part in parts.items():
            try:
                assert self._board is not None
                part(self._board)
                self._tell(name, "")
            except Exception as error:  # One part that fails must not keep the others from being shared.
                self._tell(name, f"what processes share ({name}) cannot be used: {error}", error)

    def _share_counts(self, board: Board) -> None:
        if board.holds(self._place):
            self.publishing.tell(board, self._place)
            self.publishing.take(board, self._place)
        self._tell("servers", "; ".join(self.publishing.unshared.values()))

        self._registry.counts.see(one.place for one in board.workers() if one.place != self._place)

    def _take_tables(self, board: Board) -> None:
        """Count limits with the other processes, on tables that all of them have."""
        if self._tables is not None and self._tables.is_in_place and self._tables_of == self._place:
            return
        tables = open_limit_tables(self._config)
        before, self._tables, self._tables_of = self._tables, tables, self._place
        self._registry.counts.share(tables.rates, tables.open, self._place)
        if before is not None:
            before.close()

    def _leave_tables(self) -> None:
        self._registry.counts.alone()
        tables, self._tables = self._tables, None
        if tables is not None:
            tables.close()

    def _beat(self, board: Board) -> None:
        if not board.is_in_place:
            log.warning("the board is gone, a new one is begun")
            self._enter(open_board(self._config))
            return
        if not board.holds(self._place):
            # Others took it for dead, such as those of another namespace of processes.
            self._place = board.take_place()
        board.beat(self._place, self._applied)
        self._elect(board)
        if self._monitor.leads:
            for process in board.retire_dead():
                log.warning("the worker %d is gone; what it had under way counts no more", process)
            self._look_at_store(board)
            if self.publishing.is_crowded:
                log.warning("the board is full of servers that are gone, a new one is begun")
                board.move_away()

    def _is_heard(self) -> bool:
        """Whether an operator hears of flips by this process: one of each command is enough. Asked when there is one.

        It is whoever checks health; of a command that does not, the first of its processes, which are a process group.
        """
        board = self._board
        if board is None or (self._monitor.leads and self._lead.is_held):
            return True
        groups = {one.process: _group(one.process) for one in board.living()}
        own = _group(os.getpid())
        return groups.get(board.leader) != own and os.getpid() == min(
            (process for process, group in groups.items() if group == own), default=os.getpid()
        )

    def _tell_figures(self, board: Board) -> None:
        if not board.holds(self._place):
            return
        trouble = ""
        for source in self.sources:
            for name, value in source():
                try:
                    board.put_figure(self._place, board.figure(name), value)
                except StoreError as error:  # There may be room for the others.
                    trouble = f"some figures are not told: {error}"
        self._tell("room for figures", trouble)

    # --- health

    def _share_health(self, board: Board) -> None:
        if self._monitor.leads and board.leader == os.getpid():
            self._tell_health(board)
        else:
            for pool in self._registry:
                self._take_health_of(pool, board)

    def _tell_health(self, board: Board) -> None:
        for server, row in self.publishing.rows.items():
            known = self._told.get(server)
            at = known.at if known is not None else 0.0
            reason = server.check_reason or trouble_of(server)  # A name also counts where nothing is checked.
            found = Found(_HEALTHS.index(server.health), at, reason, *server.check_tally)
            if known != found:
                found = self._told[server] = found._replace(at=time.time())
                board.put_health(row, found)

    def _take_health_of(self, pool: Pool, board: Board) -> None:
        flipped: list[tuple[Server, Health]] = []
        for server in pool.servers:
            row = self.publishing.rows.get(server)
            if row is None or server.is_hosted:
                continue
            found = board.health(row)
            if not found.at or found == self._told.get(server) or not 0 <= found.health < len(_HEALTHS):
                continue
            self._told[server] = found
            server.check_reason = found.reason
            if server.health is not _HEALTHS[found.health]:
                flipped.append((server, server.health))
                server.health = _HEALTHS[found.health]
        if flipped:
            self._monitor.flips.take(pool, flipped)

    def _elect(self, board: Board) -> None:
        """Lead where nobody else does: the lock of a process that died is free, and so is one that was deleted."""
        if self._lead.is_held and not self._lead.is_in_place:
            self._lead.give_up()
            self._monitor.lead(False)
        if self._lead.is_held or not (self._lead.take() or self._take_over(board)):
            return
        board.leader = os.getpid()
        for pool in self._registry:
            self._take_health_of(pool, board)  # What was known last: the first check decides anew.
        for server, row in self.publishing.rows.items():
            server.check_tally = board.health(row)[3:]
        self._told.clear()
        self._monitor.lead(True)

    def _take_over(self, board: Board) -> bool:
        """Lead where the leader was stopped, or hangs."""
        silent = board.leader
        if not board.is_leader_silent(MOST_SILENCE):
            return False
        is_taken = self._lead.take_over()
        if is_taken:
            log.warning("the worker %d has been silent for over %g s: it checks health no more", silent, MOST_SILENCE)
        return is_taken

    # --- changes

    def _share_changes(self, board: Board) -> None:
        if board.revision == self._applied:
            return
        state = self._store.read()
        if state.revision != board.revision:
            board.put_revision(state.revision)  # Whoever told it was overtaken by another.
        if state.revision != self._applied:
            self.state = state
            self._on_change(state)
            self._applied = state.revision
            board.beat(self._place, self._applied)

    def _look_at_store(self, board: Board) -> None:
        """Find what a command stored that died before it could tell."""
        if self._store.has_changed():
            state = self._store.read()
            if state.revision != board.revision:
                board.put_revision(state.revision)

    def _tell(self, what: str, trouble: str, error: Exception | None = None) -> None:
        """Log what is wrong once, for as long as it lasts; with its traceback where it is a fault of Deston."""
        if trouble and trouble != self._troubles.get(what):
            is_foreseen = error is None or isinstance(error, (DestonError, OSError))
            log.error("%s", trouble, exc_info=None if is_foreseen else error)
        self._troubles[what] = trouble

    def __repr__(self) -> str:
        return f"<Sharing place {self._place}, revision {self._applied}, leads {self._monitor.leads}>"


def _group(process: int) -> int:
    """The process group of a process, -1 where it is gone."""
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return -1
