"""Which fault a failure goes back to.

What lives here: the assignment.
What must not: how faults and failures come about.
Invariant: each failure stands with one fault, the last one before it that excuses it, or with none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scripts.soak.model import Event, Failure


@dataclass
class Judged:
    """The failures by the place of the event that excuses them, and those that nothing excuses."""

    excused: dict[int, list[Failure]] = field(default_factory=dict)
    unexcused: list[Failure] = field(default_factory=list)

    @property
    def excused_count(self) -> int:
        return sum(len(failures) for failures in self.excused.values())


def judge(events: Sequence[Event], failures: Iterable[Failure]) -> Judged:
    """Find for each failure the fault that it goes back to."""
    judged = Judged()
    for failure in failures:
        covering = [place for place, event in enumerate(events) if event.covers(failure)]
        if covering:
            judged.excused.setdefault(max(covering, key=lambda place: events[place].began), []).append(failure)
        else:
            judged.unexcused.append(failure)
    return judged


def around(events: Iterable[Event], failure: Failure, seconds: float = 3.0) -> list[Event]:
    """What else went on about the time of a failure."""
    return [
        event
        for event in events
        if event.began <= failure.at and (event.ended is None or event.ended + seconds >= failure.began)
    ]
