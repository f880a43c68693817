"""The report: which failures each fault caused, and what is wrong."""

from __future__ import annotations

from scripts.soak.excuses import judge
from scripts.soak.model import BROKEN, TCP, WRONG, Event, Excuse, Failure
from scripts.soak.report import MOST_LINES, Outcome, render

NAMES = ["server-dies", "reload"]
EVENTS = [Event("server-dies", "a", 110.0, 112.0, (Excuse(TCP, (BROKEN,)),)), Event("reload", "the file", 130.0, 130.5)]


def outcome(*failures: Failure, troubles: tuple[str, ...] = ()) -> Outcome:
    answers = {"tcp": 5}
    judged = judge(EVENTS, failures)
    return Outcome(1, 60.0, 100.0, EVENTS, judged, answers, ["l4: descriptors 9"], list(troubles))


def test_each_fault_has_a_row() -> None:
    """How often it came, how many failures it excused, and of which kinds; also one that caused none."""
    text = render(outcome(Failure(TCP, BROKEN, 110.5, 111.0), Failure(TCP, BROKEN, 110.6, 111.0)), NAMES)
    rows = [line.split() for line in text.splitlines()]
    assert ["server-dies", "1", "2", "tcp", "broken", "2"] in rows
    assert ["reload", "1", "0"] in rows
    assert "What is wrong: nothing" in text


def test_what_is_not_excused_is_told_with_what_was_near() -> None:
    """A failure with its time since the beginning, its own words, and the faults about it; the soak is not good."""
    found = outcome(Failure(TCP, WRONG, 131.0, 131.5, "other bytes"))
    text = render(found, NAMES)
    assert not found.is_good
    assert "31.0-31.5s tcp wrong: other bytes; near: reload the file 30.0-30.5" in text
    assert "What is wrong: 1" in text


def test_what_the_checks_found_is_wrong() -> None:
    """A leak alone makes a soak bad."""
    found = outcome(troubles=("l4 7 has 900 descriptors",))
    assert not found.is_good
    assert render(found, NAMES).endswith("What is wrong: 1\n  l4 7 has 900 descriptors")


def test_a_flood_is_shortened() -> None:
    """Only so many failures are told one by one; all of them are counted."""
    failures = [Failure(TCP, WRONG, 140.0 + number, 140.5 + number) for number in range(MOST_LINES + 5)]
    text = render(outcome(*failures), NAMES)
    assert f"tcp wrong {MOST_LINES + 5}" in text
    assert "and 5 more" in text
