"""Slots: how many connections there may be, and who is told when there is room."""

from __future__ import annotations

import resource

import pytest

from deston.l4.slots import Slots, affordable_connections


@pytest.mark.parametrize(("descriptors", "connections"), [(1000, 400), (10, 4), (2, 1)])
def test_how_many_connections_can_be_afforded(descriptors: int, connections: int) -> None:
    """Four fifths of the descriptors, two for each connection, and one connection at least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    try:
        assert affordable_connections() == connections
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_listener_is_full_by_its_own_limit_or_by_that_of_all() -> None:
    """What one listener holds counts for all of them; without a limit nobody is ever full."""
    whole = Slots(3)
    one, other = Slots(2, whole), Slots(0, whole)
    one.take()
    other.take()
    assert (one.full, other.full, whole.full) == (False, False, False)
    one.take()
    assert (one.full, other.full, whole.full) == (True, True, True)
    other.leave()
    assert (one.full, other.full, whole.full) == (True, False, False)
    assert repr(one) == "<Slots 2/2>"
    assert repr(other) == "<Slots 0/any>"
    assert not Slots().full


def test_who_waits_is_told_once() -> None:
    """A callback comes when a connection of its own listener, or of another one, is over, however often it asked."""
    told: list[str] = []
    whole = Slots(2)
    one, other = Slots(1, whole), Slots(1, whole)
    one.take()
    other.take()

    def callback() -> None:
        told.append("one")

    one.when_free(callback)
    one.when_free(callback)
    other.leave()
    assert told == ["one"]
    one.leave()
    assert told == ["one", "one"]
    assert (one.taken, other.taken, whole.taken) == (0, 0, 0)


def test_who_waits_hears_of_more_room() -> None:
    """A limit that is raised by a reload means room, even if no connection ends."""
    told: list[str] = []
    slots = Slots(1)
    slots.take()
    slots.when_free(lambda: told.append("room"))
    slots.resize(2)
    assert told == ["room"]
    assert not slots.full
