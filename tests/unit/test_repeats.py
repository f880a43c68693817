"""Lines that would come again and again."""

from __future__ import annotations

import logging

import pytest

from deston import repeats
from deston.repeats import EVERY, MOST, Repeats, seldom

log = logging.getLogger("deston.test")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(repeats, "repeats", Repeats(clock))
    return clock


def test_a_line_is_said_at_once_and_then_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """With how often there was cause for it since it was last said."""
    for moment in (0.0, 1.0, EVERY - 1, EVERY, EVERY + 1, 3 * EVERY, 5 * EVERY):
        clock.now = moment
        seldom(log, logging.WARNING, "%s is full", "app")
    said = [record.getMessage() for record in caplog.records]
    assert said == ["app is full", "app is full (3 times)", "app is full (2 times)", "app is full"]


def test_lines_that_differ_are_different(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Another word, level or message is another line."""
    caplog.set_level(logging.INFO)
    for level, message, word in [(20, "%s", "a"), (20, "%s", "b"), (30, "%s", "a"), (20, "%s!", "a"), (20, "%s", "a")]:
        seldom(log, level, message, word)
    assert [record.getMessage() for record in caplog.records] == ["a", "b", "a", "a!"]


def test_a_line_that_nobody_would_see_is_not_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        seldom(log, logging.INFO, "quiet")
    assert repr(repeats.repeats) == "<Repeats of 0 lines>"


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    """Of too many lines the one that was said the longest ago is forgotten, and would be said again."""
    said = Repeats(clock)
    assert all(said.count(number) == 1 for number in range(MOST))
    assert said.count("one more") == 1
    assert repr(said) == f"<Repeats of {MOST} lines>"
    assert said.count(1) == 0
    assert said.count(0) == 1


def test_the_traceback_is_shown(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Where a line is about an error, with the error as it was when the line is said."""
    seldom(log, logging.ERROR, "%s failed", "it", error=ValueError("because"))
    assert "ValueError: because" in caplog.text
