"""Which fault a failure goes back to, and which failures go back to none."""

from __future__ import annotations

import pytest

from scripts.soak.excuses import around, judge
from scripts.soak.faults import FAULTS
from scripts.soak.model import BROKEN, HTTP, LOST, TCP, TIMEOUT, UDP, WRONG, WS, Event, Excuse, Failure

CUT = Excuse(TCP, (BROKEN,), after=1.0)
STRUCK = Excuse(TCP, (BROKEN,), after=1.0, strikes=True)


def event(began: float = 10.0, ended: float | None = 15.0, *excuses: Excuse) -> Event:
    return Event("server-dies", "a", began, ended, excuses or (CUT,))


def failure(began: float, at: float, kind: str = BROKEN, protocol: str = TCP) -> Failure:
    return Failure(protocol, kind, began, at)


@pytest.mark.parametrize(
    ("began", "at", "is_covered"),
    [
        (8.0, 9.9, False),
        (8.0, 10.0, True),
        (12.0, 13.0, True),
        (9.0, 20.0, True),
        (15.9, 30.0, True),
        (16.1, 30.0, False),
    ],
)
def test_a_fault_excuses_what_it_overlaps(began: float, at: float, is_covered: bool) -> None:
    """A failure may have come about at any time of its exchange; a second after the end of the fault is allowed."""
    assert event().covers(failure(began, at)) is is_covered


@pytest.mark.parametrize(("began", "is_covered"), [(10.9, True), (11.1, False), (14.0, False)])
def test_one_that_strikes_excuses_its_beginning_alone(began: float, is_covered: bool) -> None:
    """What dies breaks off what it has; that it is away after that has to be hidden from clients."""
    assert event(10.0, 15.0, STRUCK).covers(failure(began, began + 0.1)) is is_covered


def test_what_still_goes_on_excuses_without_an_end() -> None:
    """A fault that is not undone yet excuses whatever comes."""
    assert event(10.0, None).covers(failure(500.0, 501.0))


@pytest.mark.parametrize("protocol", [UDP, HTTP, WS])
def test_only_what_it_names_is_excused(protocol: str) -> None:
    """Failures of other protocols and of other kinds are not."""
    assert not event().covers(failure(11.0, 12.0, BROKEN, protocol))
    assert not event().covers(failure(11.0, 12.0, TIMEOUT))


def test_a_wrong_answer_is_never_excused() -> None:
    """Not even an excuse that names it would help."""
    assert not event(10.0, 15.0, Excuse(TCP, (WRONG,))).covers(failure(11.0, 12.0, WRONG))
    assert not any(WRONG in excuse.kinds for fault in FAULTS for excuse in fault.excuses)


def test_what_an_operator_does_excuses_nothing() -> None:
    """Reloads and changes at run time have to go unseen."""
    seen = {fault.name for fault in FAULTS if fault.excuses}
    assert not seen & {"reload", "reload-broken", "hup-l4", "add", "remove", "drain", "maint", "weight", "algorithm"}


def test_a_server_that_refuses_costs_only_datagrams() -> None:
    """Whoever is refused is served by another one."""
    (fault,) = [one for one in FAULTS if one.name == "server-refuses"]
    assert [(excuse.protocol, excuse.kinds) for excuse in fault.excuses] == [(UDP, (LOST,))]


def test_a_failure_stands_with_the_last_fault_before_it() -> None:
    """Of several that excuse it, it counts once; what none excuses is told apart."""
    events = [event(10.0, 30.0), event(12.0, 30.0), event(40.0, 50.0)]
    judged = judge(events, [failure(20.0, 21.0), failure(45.0, 46.0), failure(60.0, 61.0)])
    assert {place: len(found) for place, found in judged.excused.items()} == {1: 1, 2: 1}
    assert (judged.excused_count, judged.unexcused) == (2, [failure(60.0, 61.0)])


def test_what_went_on_near_a_failure_is_found() -> None:
    """Faults that overlap its time, or ended shortly before, whether they excuse it or not."""
    events = [event(1.0, 2.0), event(10.0, 15.0), event(16.0, None), event(30.0, 31.0)]
    assert around(events, failure(17.0, 18.0)) == events[1:3]
