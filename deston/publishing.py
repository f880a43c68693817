"""What a process has counted, on the board; and what others have counted, in its own servers.

What lives here: the rows of its servers, the sums of several that share one, leases and marks of other processes.
What must not: health, the operator's changes, and where the board comes from (``sharing``).
Invariant: a row says all that this process ever carried to the server of that name and address, also where several
objects stood for it one after the other.
"""

from __future__ import annotations

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Server
from deston.errors import StoreError
from deston.health.passive import PassiveMarks
from deston.store.board import MOST_SERVERS, Board
from deston.store.counted import Counts


def row_name(pool: str, server: Server) -> str:
    """What a server is called on the board: with its address, so that a name which moved is another."""
    return f"{pool}\0{server.name}\0{server.address}"


class Publishing:
    """The part of one process."""

    def __init__(self, registry: Registry, marks: PassiveMarks) -> None:
        self._registry = registry
        self._marks = marks
        #: The rows of the servers that are in use, or still have something under way.
        self.rows: dict[Server, int] = {}
        #: Why a server has none.
        self.unshared: dict[str, str] = {}
        self._names: dict[Server, str] = {}
        # What servers that are gone had carried, by their names.
        self._left: dict[str, Counts] = {}
        self._known: list[tuple[Pool, tuple[Server, ...]]] = []
        self._homes: dict[Server, Pool] = {}
        self._told: dict[int, Counts] = {}
        #: Whether there are no rows left, though there are not that many servers.
        self.is_crowded = False

    def forget_rows(self) -> None:
        """There is another board."""
        self.rows.clear()
        self._known.clear()
        self._told.clear()
        self.is_crowded = False

    def tell(self, board: Board, place: int) -> None:
        """Tell what this process carries."""
        if self._have_members_changed() or not self.rows:
            self._take_members(board, place)
        sums: dict[int, Counts] = {}
        for server, row in list(self.rows.items()):
            counts = self._counts(server)
            if row in sums:
                sums[row] = sums[row].plus(counts)
            else:
                left = self._left.get(self._names[server])
                sums[row] = counts if left is None else counts.plus(left)
            if server not in self._homes and counts.active <= 0:
                self._leave(server, counts)
        for row, counts in sums.items():
            if self._told.get(row) != counts:
                self._told[row] = counts
                board.put_counts(place, row, counts)

    def _have_members_changed(self) -> bool:
        """Whether there are other pools, or others in them, than when this was asked last."""
        now = [(pool, pool.servers) for pool in self._registry]
        known, self._known = self._known, now
        return known != now

    def _take_members(self, board: Board, place: int) -> None:
        self._homes = {server: pool for pool in self._registry for server in pool.servers}
        self.unshared.clear()
        for server, pool in self._homes.items():
            name = row_name(pool.name, server)
            if self._names.get(server) != name:
                self._rename(server, name, board, place)
            if server not in self.rows:
                self._find_row(server, name, board, len(self._homes))

    def _find_row(self, server: Server, name: str, board: Board, in_use: int) -> None:
        try:
            self.rows[server] = board.row(name)
        except StoreError as error:
            self.unshared[name] = f"{server.name} is not shared with other processes: {error}"
            self.is_crowded = in_use < MOST_SERVERS // 2

    def _rename(self, server: Server, name: str, board: Board, place: int) -> None:
        """A server has got another name: what it carried goes with it."""
        row = self.rows.pop(server, None)
        if row is not None:
            self._told.pop(row, None)
            board.put_counts(place, row, self._left.get(self._names[server], Counts()))
        self._names[server] = name

    def _leave(self, server: Server, counts: Counts) -> None:
        name = self._names.pop(server)
        self._left[name] = self._left.get(name, Counts()).plus(counts.without_present())
        del self.rows[server]

    def _counts(self, server: Server) -> Counts:
        marked, refusal = self._marks.own(server)
        return Counts(
            server.active - server.elsewhere,
            server.total,
            server.failures,
            server.bytes_in,
            server.bytes_out,
            server.latency,
            marked,
            refusal,
        )

    def take(self, board: Board, place: int) -> None:
        """Count what others have under way as this process's own: policies and limits then look at all of it."""
        others = [one.place for one in board.workers() if one.place != place]
        for server, row in self.rows.items():
            elsewhere, marked = board.elsewhere(others, row) if others else (0, 0.0)
            pool = self._homes.get(server)
            if elsewhere != server.elsewhere:
                had_room = not server.full
                server.active += elsewhere - server.elsewhere
                server.elsewhere = elsewhere
                if pool is not None and not had_room and not server.full:
                    pool.queue.tell_next()
            if pool is not None and (marked or server.marked):
                self._marks.mirror(pool, server, marked)
