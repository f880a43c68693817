"""Marks for servers whose dials fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.pool import Lease
from deston.balancer.server import Health, Server
from deston.config.model import AdminState
from deston.health.passive import PassiveMarks
from tests.unit.health import builders


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A pool of so many servers, with passive marks and a clock."""

    def __init__(self, count: int) -> None:
        self.clock = Clock()
        self.servers = builders.servers(count)
        self.pool = builders.pool(*self.servers)
        self.registry = builders.registry(self.pool)
        self.marks = PassiveMarks(self.registry, self.clock)

    def fail(self, server: Server, times: int = 3, apart: float = 0.0) -> None:
        for _ in range(times):
            self.marks.observe(self.pool, server, False)
            self.clock.now += apart

    def wait(self, seconds: float) -> None:
        """Let time pass, with the monitor's look at the marks at its end."""
        self.clock.now += seconds
        self.marks.expire(self.clock.now)

    def marked(self) -> str:
        return "".join(server.name for server in self.servers if server.marked)

    def candidates(self) -> set[str]:
        """Who is picked, as the pool sees it."""
        return {self.pool.pick("").name for _ in range(2 * len(self.servers))}


def test_three_failures_in_ten_seconds_mark() -> None:
    """The third failed dial within ten seconds takes a server out of the picks, the second does not."""
    scene = Scene(2)
    scene.fail(scene.servers[0], times=2, apart=4.9)
    assert scene.marked() == ""
    scene.fail(scene.servers[0], times=1)
    assert scene.marked() == "a"
    assert scene.candidates() == {"b"}


def test_failures_further_apart_do_not_mark() -> None:
    """Three failures that take longer than ten seconds are three accidents."""
    scene = Scene(2)
    scene.fail(scene.servers[0], times=20, apart=5.1)
    assert scene.marked() == ""


def test_successes_between_failures_do_not_forgive() -> None:
    """Failures are counted within a window, not in a row."""
    scene = Scene(2)
    for _ in range(3):
        scene.marks.observe(scene.pool, scene.servers[0], False)
        scene.marks.observe(scene.pool, scene.servers[0], True)
    assert scene.marked() == "a"


def test_success_costs_nothing() -> None:
    """A dial that succeeded asks neither the clock nor the pool, and leaves nothing behind."""
    scene = Scene(1)
    marks = PassiveMarks(scene.registry, clock=lambda: pytest.fail("the clock was asked"))
    marks.observe(scene.pool, scene.servers[0], True)
    assert marks.reason(scene.servers[0]) == ""


def test_a_mark_is_lifted_after_its_time() -> None:
    """A mark ends after ten seconds, and not before."""
    scene = Scene(2)
    scene.fail(scene.servers[0])
    scene.wait(9.9)
    assert scene.marked() == "a"
    scene.wait(0.1)
    assert scene.marked() == ""
    assert scene.candidates() == {"a", "b"}


def test_marks_grow_up_to_five_minutes() -> None:
    """Each further mark lasts ten seconds longer, up to five minutes."""
    scene = Scene(2)
    lengths = []
    for _ in range(33):
        scene.fail(scene.servers[0])
        started = scene.clock.now
        while scene.marked():
            scene.wait(1.0)
        lengths.append(scene.clock.now - started)
    assert lengths == [min(10.0 * mark, 300.0) for mark in range(1, 34)]


def test_five_good_minutes_forget_the_count() -> None:
    """A server that was not marked for five minutes starts with the shortest mark again."""
    scene = Scene(2)
    for _ in range(2):
        scene.fail(scene.servers[0])
        scene.wait(20.0)
    scene.clock.now += 300.0
    scene.fail(scene.servers[0])
    assert scene.marks.reason(scene.servers[0]) == "out for 10s: 3 failed dials in 10s"


def test_the_last_usable_server_stays() -> None:
    """Marks alone never empty a pool, and the reason is kept for the status."""
    scene = Scene(2)
    scene.servers[1].health = Health.DOWN
    scene.pool.refresh()
    scene.fail(scene.servers[0], times=10)
    assert scene.marked() == ""
    assert scene.marks.reason(scene.servers[0]) == "not marked: it is the last usable server"


def test_never_more_than_half_of_a_pool() -> None:
    """Of five servers two can be out; the third that fails stays, with a reason."""
    scene = Scene(5)
    for server in scene.servers:
        scene.fail(server)
    assert scene.marked() == "ab"
    assert scene.marks.reason(scene.servers[2]) == "not marked: no more than half of the pool's servers may be out"


def test_a_refusal_is_forgotten_with_its_failures() -> None:
    """When the failures are out of the window, nothing more is said of them."""
    scene = Scene(1)
    scene.fail(scene.servers[0])
    assert scene.marks.reason(scene.servers[0])
    scene.wait(10.1)
    assert scene.marks.reason(scene.servers[0]) == ""


def test_a_backup_may_be_what_is_left() -> None:
    """A usable backup server counts: the last primary can be marked."""
    primary, backup = builders.server("a"), builders.server("z", backup=True)
    scene = Scene(0)
    scene.pool = builders.pool(primary, backup)
    scene.registry.replace([scene.pool])
    scene.fail(primary)
    assert primary.marked
    assert scene.pool.pick("") is backup


def test_clear_forgets_mark_and_count() -> None:
    """A server that came up by its checks starts with a clean slate."""
    scene = Scene(2)
    scene.fail(scene.servers[0])
    scene.wait(10.0)
    scene.fail(scene.servers[0])
    scene.marks.clear(scene.servers[0])
    assert scene.marked() == ""
    scene.fail(scene.servers[0])
    assert scene.marks.reason(scene.servers[0]) == "out for 10s: 3 failed dials in 10s"


@pytest.mark.parametrize(("attribute", "value"), [("health", Health.DOWN), ("admin", AdminState.MAINT)])
def test_servers_that_are_out_anyway_are_not_marked(attribute: str, value: object) -> None:
    """Late failures of a server that takes no clients say nothing new."""
    scene = Scene(2)
    setattr(scene.servers[0], attribute, value)
    scene.pool.refresh()
    scene.fail(scene.servers[0])
    assert scene.marked() == ""


def test_a_server_that_was_removed_is_forgotten() -> None:
    """After a reload without it, neither an old lease nor the clock touches a server."""
    scene = Scene(3)
    gone = scene.servers[0]
    scene.fail(gone)
    scene.registry.replace([builders.pool(*scene.servers[1:])])
    scene.wait(20.0)
    assert scene.marks.reason(gone) == ""
    gone.marked = False
    scene.fail(gone)
    assert not gone.marked
    scene.registry.replace([])
    scene.fail(gone)
    assert not gone.marked


def test_a_mark_ends_in_the_pool_that_a_reload_made() -> None:
    """Servers live on across reloads while pools are replaced: the present pool gets the server back."""
    scene = Scene(2)
    scene.fail(scene.servers[0])
    old, scene.pool = scene.pool, builders.pool(*scene.servers)
    scene.registry.replace([scene.pool])
    scene.wait(10.0)
    assert scene.candidates() == {"a", "b"}
    scene.marks.observe(old, scene.servers[0], False)
    scene.fail(scene.servers[0], times=2)
    assert scene.candidates() == {"b"}


def test_marking_and_lifting_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line when a server goes out and one when it is let in again, with the pool's state."""
    scene = Scene(2)
    with caplog.at_level(logging.INFO, "deston.health"):
        scene.fail(scene.servers[0], times=9)
        scene.wait(10.0)
        scene.wait(1.0)
    assert caplog.messages == [
        "app/a 127.0.0.1:1 is out for 10s: 3 failed dials in 10s (1 of 2 servers usable)",
        "app/a 127.0.0.1:1 is let in again after 10s (2 of 2 servers usable)",
    ]


def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """However many dials of the last server fail, one line says that it stays."""
    scene = Scene(1)
    scene.fail(scene.servers[0], times=50)
    assert caplog.messages == [
        "app/a 127.0.0.1:1 stays in spite of 3 failed dials in 10s: it is the last usable server"
    ]


@given(
    count=st.integers(1, 7),
    events=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 15), st.booleans()), max_size=80),
)
def test_marks_alone_never_empty_a_pool(count: int, events: list[tuple[int, float, bool]]) -> None:
    """Whatever fails and whenever: half of the pool at most is marked, and one server is left; marks end."""
    scene = Scene(count)
    for index, seconds, reached in events:
        scene.marks.observe(scene.pool, scene.servers[index % count], reached)
        assert 2 * len(scene.marked()) <= count
        assert any(server.usable for server in scene.servers)
        scene.wait(seconds)
        assert len(scene.candidates()) == count - len(scene.marked())
    scene.wait(300.0)
    scene.wait(300.0)
    assert scene.marked() == ""
    assert not any(scene.marks.reason(server) for server in scene.servers)


def test_a_pool_has_its_own_measure() -> None:
    """How many failures it takes, within which time, and for how long a server is out, is the pool's to say."""
    scene = Scene(2)
    scene.pool = builders.pool(*scene.servers, mark_failures=2, mark_window=5.0, mark_time=20.0)
    scene.registry.replace([scene.pool])
    scene.fail(scene.servers[0], times=2, apart=4.0)
    assert scene.marks.reason(scene.servers[0]) == "out for 20s: 2 failed dials in 5s"
    scene.wait(15.9)
    assert scene.marked() == "a"
    scene.wait(0.1)
    assert scene.marked() == ""


def test_none_is_marked_where_nobody_wants_it() -> None:
    """With ``mark_failures = 0`` dials may fail for ever."""
    scene = Scene(2)
    scene.pool = builders.pool(*scene.servers, mark_failures=0)
    scene.registry.replace([scene.pool])
    scene.fail(scene.servers[0], times=50)
    assert scene.marked() == ""


def answer(scene: Scene, *statuses: int) -> None:
    """Have the first server answer with these statuses."""
    scene.pool.outlier_observer = scene.marks.answers_badly
    for status in statuses:
        lease = Lease(scene.pool, scene.servers[0])
        lease.judge(status)
        lease.release()


def judging(count: int, **settings: Any) -> Scene:
    scene = Scene(count)
    scene.pool = builders.pool(*scene.servers, mark_statuses=frozenset({500, 503}), mark_after=3, **settings)
    scene.registry.replace([scene.pool])
    return scene


def test_bad_answers_in_a_row_mark() -> None:
    """A server that answers with nothing but what its pool holds against it is left out; a good answer forgives."""
    scene = judging(2)
    answer(scene, 500, 503, 200, 500, 503, 404, 500, 500)
    assert scene.marked() == ""
    answer(scene, 500)
    assert scene.marks.reason(scene.servers[0]) == "out for 10s: 3 bad answers in a row"
    scene.wait(10.0)
    assert scene.marked() == ""


def test_bad_answers_of_the_last_server() -> None:
    """One that is the last stays, whatever it answers, and the reason says so."""
    scene = judging(1)
    answer(scene, *[500] * 20)
    assert scene.marked() == ""
    assert scene.marks.reason(scene.servers[0]) == "not marked: it is the last usable server"


def test_what_another_process_has_marked() -> None:
    """It is left out here, too, until the other one lifts it or the time is over."""
    scene = Scene(2)
    server, now = scene.servers[0], scene.clock.now
    scene.marks.mirror(scene.pool, server, now + 5.0)
    assert scene.marked() == "a"
    assert scene.candidates() == {"b"}
    assert scene.marks.own(server) == (0.0, 0)
    scene.marks.mirror(scene.pool, server, 0.0)
    assert scene.candidates() == {"a", "b"}


def test_another_process_cannot_empty_a_pool() -> None:
    """The limits hold for marks of others: the last usable server stays."""
    scene = Scene(2)
    scene.fail(scene.servers[0])
    scene.marks.mirror(scene.pool, scene.servers[1], scene.clock.now + 5.0)
    assert scene.marked() == "a"


def test_own_marks_are_told() -> None:
    """Others are told until when a server is marked here, and why one is not."""
    scene = Scene(2)
    scene.fail(scene.servers[0])
    scene.fail(scene.servers[1])
    assert scene.marks.own(scene.servers[0]) == (scene.clock.now + 10.0, 0)
    assert scene.marks.own(scene.servers[1]) == (0.0, 1)


def test_a_lifted_mark_is_told_of() -> None:
    """Whoever lets servers start slowly hears of it."""
    scene = Scene(2)
    lifted: list[str] = []
    scene.marks.on_lift = lambda pool, server: lifted.append(f"{pool.name}/{server.name}")
    scene.fail(scene.servers[0])
    scene.wait(10.0)
    assert lifted == ["app/a"]


def test_a_mark_of_one_that_is_not_heard_any_more_ends_in_time() -> None:
    """Nobody stays out because a process that told of it has gone silent, or its board is lost."""
    scene = Scene(2)
    scene.marks.mirror(scene.pool, scene.servers[0], scene.clock.now + 5.0)
    scene.wait(4.9)
    assert scene.marked() == "a"
    scene.wait(0.1)
    assert scene.marked() == ""
    assert scene.candidates() == {"a", "b"}


def test_a_mark_of_a_server_that_left_is_forgotten() -> None:
    """Marks of others hold no server that a reload removed."""
    scene = Scene(2)
    scene.marks.mirror(scene.pool, scene.servers[0], scene.clock.now + 50.0)
    scene.registry.replace([builders.pool(scene.servers[1])])
    scene.wait(1.0)
    assert not scene.marks._mirrored


def test_a_mark_that_others_have_not_lifted_yet_is_no_news() -> None:
    """A server that its checks brought up is let in at once, though another process still tells of its mark."""
    scene = Scene(2)
    server = scene.servers[0]
    scene.marks.mirror(scene.pool, server, scene.clock.now + 50.0)
    scene.marks.clear(server)
    scene.marks.mirror(scene.pool, server, scene.clock.now + 50.0)
    assert scene.marked() == ""
    scene.wait(2.0)
    scene.marks.mirror(scene.pool, server, scene.clock.now + 50.0)
    assert scene.marked() == "a"
