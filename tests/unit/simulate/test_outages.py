from __future__ import annotations

import random
from typing import Any

from deston.balancer.server import Health
from deston.simulate.disturbances import Disturbance, Kind
from deston.simulate.outages import Outages
from deston.simulate.scenario import living_pool, made_up_pool
from deston.simulate.station import Station
from deston.simulate.timeline import Timeline


class Watched:
    """A pool of three servers with outages, and what it lost."""

    def __init__(self, *disturbances: Disturbance, detect: float = 4.0) -> None:
        self.timeline = Timeline()
        self.pool = living_pool(made_up_pool((1, 1, 1)), 1, self.timeline.clock)
        self.lost: list[str] = []
        self.outages = Outages(self.timeline, self.pool, detect, lambda one: self.lost.append(one.server.name))
        self.stations = [Station(server, index, 1) for index, server in enumerate(self.pool.servers)]
        self.outages.plan(disturbances, self.stations)

    def run_until(self, at: float) -> None:
        """Let all happen that is due by then."""
        while self.timeline.events and self.timeline.events[0][0] <= at:
            self.timeline.step()
        self.timeline.now = at

    @property
    def usable(self) -> str:
        return "".join(server.name for server in self.pool.servers if server.usable)

    def fail(self) -> None:
        """A try on the first server fails."""
        lease: Any = self.pool.lease("", self.pool.servers[1:])
        lease.failed()
        lease.release()
        self.outages.sweep_later()


def at(kind: Kind, seconds: float, factor: float = 1.0) -> Disturbance:
    return Disturbance(kind, "a", seconds, factor)


def test_checks_find_a_death_and_a_return_after_a_while() -> None:
    """Until then the pool knows nothing, and picks it."""
    watched = Watched(at(Kind.KILL, 10), at(Kind.RECOVER, 20))
    watched.run_until(13.9)
    assert (watched.usable, watched.stations[0].is_dead, watched.lost) == ("abc", True, ["a"])
    watched.run_until(23.9)
    assert (watched.usable, watched.stations[0].is_dead) == ("bc", False)
    watched.run_until(24)
    assert watched.usable == "abc"


def test_a_short_absence_is_seen_by_no_check() -> None:
    """One that is back before the checks had made up their mind was never down."""
    watched = Watched(at(Kind.KILL, 10), at(Kind.RECOVER, 12))
    for second in range(10, 20):
        watched.run_until(second)
        assert watched.pool.servers[0].health is Health.UP


def test_what_is_dead_already_does_not_die_again() -> None:
    """Nor does one come back that is there."""
    watched = Watched(at(Kind.RECOVER, 5), at(Kind.KILL, 10), at(Kind.KILL, 13))
    watched.run_until(14)
    assert (watched.lost, watched.usable) == (["a"], "bc")


def test_slowness_is_no_matter_of_health() -> None:
    """It is for the work that begins from then on."""
    watched = Watched(at(Kind.SLOW, 10, 5.0), at(Kind.SLOW, 20))
    watched.run_until(10)
    assert (watched.stations[0].factor, watched.usable) == (5.0, "abc")
    watched.run_until(20)
    assert watched.stations[0].factor == 1.0


def test_failed_tries_mark_a_server_before_checks_see_it() -> None:
    """Three of them do, as for real clients, and the mark is lifted after ten seconds."""
    watched = Watched()
    for _ in range(3):
        watched.fail()
    assert watched.usable == "bc"
    watched.run_until(9.5)
    assert watched.usable == "bc"
    watched.run_until(11)
    assert watched.usable == "abc"
    assert not watched.timeline.events


def test_a_check_that_brings_a_server_up_lifts_its_mark() -> None:
    """It need not wait for the end of its penalty."""
    watched = Watched(at(Kind.KILL, 0), at(Kind.RECOVER, 2), detect=1.0)
    watched.run_until(0.5)
    for _ in range(3):
        watched.fail()
    watched.run_until(3)
    assert watched.usable == "abc"
    assert repr(watched.outages) == "<Outages of 3 stations>"


def test_the_seed_of_a_policy_is_that_of_the_scenario() -> None:
    """The pool's chance is its own: that of Python's module is left alone."""
    state = random.getstate()
    Watched(at(Kind.KILL, 1)).run_until(10)
    assert random.getstate() == state
