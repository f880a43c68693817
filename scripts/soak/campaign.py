"""The faults of a soak, one after the other, while the load runs.

What lives here: when each is done and undone, and what went wrong with that.
What must not: how (``actions``), which (``picking``), judging failures.
Invariant: at the end everything is undone, however the soak ends.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scripts.soak.actions import Actions, Deed
from scripts.soak.configuration import SERVERS
from scripts.soak.faults import FAULTS
from scripts.soak.model import PROTOCOLS, Event, SoakError
from scripts.soak.picking import Pick, Picker
from scripts.soak.stand import Stand


@dataclass(order=True)
class Due:
    """An event that is to be undone at a time."""

    at: float
    number: int
    pick: Pick = field(compare=False)
    deed: Deed = field(compare=False)
    event: Event = field(compare=False)


class Campaign:
    """Does faults as a seed has them drawn."""

    def __init__(self, stand: Stand) -> None:
        self._actions = Actions(stand, random.Random(f"{stand.seed} actions"))
        self._picker = Picker(random.Random(f"{stand.seed} faults"), FAULTS, PROTOCOLS, SERVERS)
        self._due: list[Due] = []
        self._numbers = itertools.count()
        self.events: list[Event] = []
        self.troubles: list[str] = []

    def run(self, until: float, wait: Callable[[float], bool], look: Callable[[], None]) -> None:
        """Do faults until a time of the monotonic clock.

        ``wait`` waits so many seconds and says whether to go on; ``look`` is called between faults.
        """
        next_at = time.monotonic()
        while (now := time.monotonic()) < until:
            look()
            if self._due and self._due[0].at <= now:
                self._undo(heapq.heappop(self._due))
                continue
            if next_at <= now:
                self._do_next(now)
                next_at = time.monotonic() + self._picker.gap()
            soonest = min([until, next_at, *(one.at for one in self._due[:1])])
            if not wait(min(1.0, max(0.0, soonest - time.monotonic()))):
                return

    def undo_all(self) -> None:
        """Undo what is not undone yet, at once."""
        while self._due:
            self._undo(heapq.heappop(self._due))

    def _do_next(self, now: float) -> None:
        pick = self._picker.pick(now)
        if pick is None:
            return
        event = Event(pick.fault.name, pick.target, now, None, pick.fault.excuses)
        try:
            deed = self._actions.do(pick)
        except SoakError as error:
            self.troubles.append(f"{pick.fault.name} {pick.target}: {error}")
            self._picker.release(pick, time.monotonic())
            return
        event.target = deed.target
        event.excuses += deed.excuses
        self.events.append(event)
        heapq.heappush(self._due, Due(time.monotonic() + pick.hold, next(self._numbers), pick, deed, event))

    def _undo(self, due: Due) -> None:
        try:
            if due.deed.undo is not None:
                due.deed.undo()
        except (SoakError, OSError) as error:
            self.troubles.append(f"undoing {due.pick.fault.name} {due.event.target}: {error}")
        due.event.ended = time.monotonic()
        self._picker.release(due.pick, due.event.ended)
