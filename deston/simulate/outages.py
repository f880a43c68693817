"""What happens to servers in a run, and how the pool finds out.

What lives here: deaths, returns and slowness at their times; checks that see them after a while; the end of marks.
What must not: what becomes of the requests of a dead server (``engine``), and when a server is marked
(``health.passive``).
Invariant: the pool is told of nothing before a failed dial or a check could have told it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deston.balancer.pool import Pool
from deston.balancer.registry import Registry
from deston.balancer.server import Health
from deston.health.passive import PassiveMarks
from deston.simulate.disturbances import Disturbance, Kind
from deston.simulate.station import Station
from deston.simulate.timeline import Timeline

# How often it is looked whether marks are over, in seconds; they are for ten seconds and more.
_SWEEP = 1.0


class Outages:
    """The disturbances of a run.

    ``detect`` is how many seconds checks take to see a change; ``lose_all`` is called with a station that dies.
    """

    def __init__(self, timeline: Timeline, pool: Pool, detect: float, lose_all: Callable[[Station], None]) -> None:
        self._timeline = timeline
        self._pool = pool
        self._detect = detect
        self._lose_all = lose_all
        self._marks = PassiveMarks(Registry([pool]), timeline.clock)
        self._is_sweeping = False
        self._stations: dict[str, Station] = {}
        pool.observer = self._marks.observe

    def plan(self, disturbances: Iterable[Disturbance], stations: Iterable[Station]) -> None:
        """Let all of this happen to these stations at its time."""
        self._stations = {station.server.name: station for station in stations}
        for one in disturbances:
            self._timeline.plan(one.at, self._disturb, one)

    def sweep_later(self) -> None:
        """Look for marks that are over, from now on: a try has failed, and may have led to one."""
        if not self._is_sweeping:
            self._is_sweeping = True
            self._timeline.plan(self._timeline.now + _SWEEP, self._sweep, None)

    def _disturb(self, number: int, one: Disturbance) -> None:
        station = self._stations[one.server]
        if one.kind is Kind.SLOW:
            station.factor = one.factor
        elif station.is_dead != (one.kind is Kind.KILL):
            station.is_dead = one.kind is Kind.KILL
            station.changes += 1
            self._timeline.plan(self._timeline.now + self._detect, self._check, (station, station.changes))
            if station.is_dead:
                self._lose_all(station)

    def _check(self, number: int, subject: tuple[Station, int]) -> None:
        """Checks have found what happened to a server, unless something else has happened to it since."""
        station, changes = subject
        health = Health.DOWN if station.is_dead else Health.UP
        if station.changes == changes and station.server.health is not health:
            station.server.health = health
            if health is Health.UP:
                self._marks.clear(station.server)
            self._pool.refresh()

    def _sweep(self, number: int, subject: None) -> None:
        self._marks.expire(self._timeline.now)
        self._is_sweeping = False
        if any(server.marked for server in self._pool.servers):
            self.sweep_later()

    def __repr__(self) -> str:
        return f"<Outages of {len(self._stations)} stations>"
