"""The crew: greenlets that take up one task after the other.

What lives here: handing a task to a greenlet that is idle, or to a new one.
What must not: what the tasks are.
Invariant: a task begins at once, in the hub's own turn, and runs until it first waits; an error of a task is printed by
the hub and ends nothing else. A greenlet of Python 3.11 and later maps memory of its own when it is made and gives it
back when it ends: that costs more than all else in the set-up of a connection, so few are made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from gevent.hub import Hub, get_hub
from greenlet import GreenletExit, greenlet

from deston.net import hub as hubs

# Idle greenlets that are kept; each holds about 16 KiB of address space and a page or two of memory.
MOST_IDLE = 64

Task = Callable[..., object]


class Crew:
    """The idle greenlets of one hub."""

    __slots__ = ("_hub", "_idle")

    def __init__(self) -> None:
        self._hub: Hub = get_hub()
        self._idle: list[greenlet] = []

    def run(self, task: Task, *arguments: Any) -> None:
        """Run a task in a greenlet that is idle, or a new one; returns when it is over or waits. For the hub alone."""
        worker = self._idle.pop() if self._idle else greenlet(self._work, self._hub)
        worker.switch(task, arguments)

    def _work(self, task: Task, arguments: tuple[Any, ...]) -> None:
        current = greenlet.getcurrent()
        while True:
            try:
                task(*arguments)
            except GreenletExit:
                return
            except Exception:
                self._hub.handle_error((task, arguments), *sys.exc_info())
            task, arguments = _nothing, ()  # An idle greenlet keeps nothing of its last task alive.
            if len(self._idle) >= MOST_IDLE:
                return
            self._idle.append(current)
            task, arguments = self._hub.switch()

    def __repr__(self) -> str:
        return f"<Crew {len(self._idle)} idle>"


def _nothing() -> None:
    """Stand in for a task."""


def crew() -> Crew:
    """The crew of the current hub."""
    return hubs.one_for_hub(Crew)
