"""The crew: tasks begin at once, greenlets serve again, and an error ends one task."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from greenlet import GreenletExit, getcurrent

from deston.net.crew import MOST_IDLE, Crew, crew


def in_hub(task: Any, *arguments: Any) -> None:
    """Run a call in the hub, as a watcher's callback would be."""
    gevent.get_hub().loop.run_callback(task, *arguments)
    gevent.sleep(0)


def test_a_greenlet_serves_again() -> None:
    """A task that is over leaves its greenlet to the next one; one that waits keeps it."""
    ours = Crew()
    seen: list[Any] = []
    go = gevent.event.Event()

    def task(waits: bool) -> None:
        seen.append(getcurrent())
        if waits:
            go.wait()

    for waits in (False, False, True, False):
        in_hub(ours.run, task, waits)
    assert seen[0] is seen[1] is seen[2]
    assert seen[3] is not seen[2]
    assert repr(ours) == "<Crew 1 idle>"
    go.set()
    gevent.sleep(0.01)
    assert repr(ours) == "<Crew 2 idle>"


def test_an_error_ends_its_task_only(capfd: pytest.CaptureFixture[str]) -> None:
    """An error is printed, and the greenlet serves on; a greenlet that is told to exit is gone."""
    ours = Crew()
    done: list[str] = []

    def fail(error: BaseException) -> None:
        raise error

    in_hub(ours.run, fail, RuntimeError("a fault of ours"))
    assert "a fault of ours" in capfd.readouterr().err
    assert repr(ours) == "<Crew 1 idle>"
    in_hub(ours.run, done.append, "served")
    in_hub(ours.run, fail, GreenletExit())
    assert repr(ours) == "<Crew 0 idle>"
    in_hub(ours.run, done.append, "again")
    assert done == ["served", "again"]


def test_no_more_are_kept_than_are_of_use() -> None:
    """After a rush the greenlets that are too many end."""
    ours = Crew()
    go = gevent.event.Event()
    for _ in range(MOST_IDLE + 10):
        in_hub(ours.run, go.wait)
    go.set()
    gevent.sleep(0.01)
    assert repr(ours) == f"<Crew {MOST_IDLE} idle>"


def test_there_is_one_for_each_hub() -> None:
    """Whoever asks in a hub gets the same crew."""
    assert crew() is crew()
