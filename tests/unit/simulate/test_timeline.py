from __future__ import annotations

from deston.simulate.timeline import Timeline


def test_events_come_in_the_order_of_their_times() -> None:
    """Of two for the same time the one comes first that was planned first, whatever it is about."""
    timeline, seen = Timeline(), list[tuple[float, object]]()

    def note(number: int, subject: object) -> None:
        seen.append((timeline.clock(), subject))

    for at, subject in ((3.0, "last"), (1.0, object), (1.0, None), (2.0, "then")):
        timeline.plan(at, note, subject)
    while timeline.events:
        timeline.step()
    assert seen == [(1.0, object), (1.0, None), (2.0, "then"), (3.0, "last")]


def test_an_event_knows_its_number() -> None:
    """What was planned anew sees that an older event is none of its own."""
    timeline, numbers = Timeline(), list[int]()
    planned = [timeline.plan(1.0, lambda number, subject: numbers.append(number), None) for _ in range(2)]
    assert repr(timeline) == "<Timeline at 0s, 2 events to come>"
    timeline.step()
    timeline.step()
    assert numbers == planned
