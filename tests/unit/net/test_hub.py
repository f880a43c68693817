"""What a hub has once: what is found there, and how the sweeper keeps time."""

from __future__ import annotations

import threading
import time

import gevent
import pytest

from deston.net import hub as hubs
from deston.net.stream import Stream
from tests.peers import wait_until
from tests.wires import in_good_time, tcp_pair


class Overdue:
    """Notes when it was swept, and does something then if it is told to."""

    def __init__(self) -> None:
        self.swept: list[float] = []

    def sweep(self, now: float) -> None:
        self.swept.append(now)


def test_a_hub_has_one_of_a_kind() -> None:
    """Whoever asks for the same kind on the same hub, from whatever greenlet, gets the same object."""
    assert gevent.spawn(hubs.sweeper).get() is hubs.sweeper()
    assert gevent.spawn(hubs.scratch).get() is hubs.scratch()


def test_another_thread_has_its_own() -> None:
    """What belongs to one hub is never seen by the hub of another thread."""
    found: list[object] = []

    def look() -> None:
        found.extend([hubs.sweeper(), hubs.scratch()])
        gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found[0] is not hubs.sweeper()
    assert found[1] is not hubs.scratch()


def test_the_scratch_buffer_holds_a_bulky_read() -> None:
    """The scratch buffer is writable and as large as the largest read."""
    scratch = hubs.scratch()
    assert len(scratch) == hubs.SCRATCH_SIZE
    assert not scratch.readonly


@pytest.mark.parametrize("timeout", [0.4, 0.04])
def test_the_tick_is_made_finer_and_never_coarser(timeout: float) -> None:
    """A short timeout refines the tick to a share of itself, down to the finest; a long one changes nothing."""
    sweeper = hubs.Sweeper()
    thing = Overdue()
    try:
        sweeper.watched.add(thing)
        sweeper.refine(timeout)
        sweeper.refine(3600.0)
        with in_good_time():
            wait_until(lambda: len(thing.swept) >= 3, "three ticks", gevent.sleep)
        assert f"{sweeper!r}" == f"<Sweeper every {max(hubs.FINEST_TICK, timeout / 4):g}s, 1 watched>"
    finally:
        sweeper.close()


def test_what_is_swept_is_told_the_monotonic_time() -> None:
    """``now`` is on the clock that deadlines are reckoned with."""
    sweeper = hubs.Sweeper()
    thing = Overdue()
    try:
        sweeper.watched.add(thing)
        before = time.monotonic()
        sweeper.refine(0.01)
        wait_until(lambda: thing.swept, "a tick", gevent.sleep)
        assert before <= thing.swept[0] <= time.monotonic()
    finally:
        sweeper.close()


def test_what_is_swept_may_change_what_is_watched() -> None:
    """Ending something in a sweep adds and removes others, and refines the tick, without harm to the sweep."""
    sweeper = hubs.Sweeper()
    late = Overdue()

    class Changes(Overdue):
        def sweep(self, now: float) -> None:
            super().sweep(now)
            sweeper.watched.discard(self)
            sweeper.watched.add(late)
            sweeper.refine(0.08)

    first = Changes()
    try:
        sweeper.watched.add(first)
        sweeper.refine(0.1)
        wait_until(lambda: late.swept, "the next sweep", gevent.sleep)
        assert len(first.swept) == 1
    finally:
        sweeper.close()


def test_a_turn_that_is_given_up_lets_sockets_have_theirs() -> None:
    """Not only greenlets that are ready: from gevent's sleep of no time many come back before a socket is looked at."""
    heard: list[bytes] = []
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        reading = gevent.spawn(lambda: heard.append(stream.read(10)))
        gevent.sleep(0.01)
        far.sendall(b"x")
        given_up = 0
        while not heard:
            turn = hubs.Turn()
            turn._began -= 2 * hubs.LONGEST_TURN
            turn.give_way()
            given_up += 1
        reading.join()
        stream.close()
    assert given_up <= 2
