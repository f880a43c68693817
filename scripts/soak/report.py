"""The soak's report, as text.

What lives here: the table of faults, the failures that nothing excuses, and what the checks at the end found.
What must not: judging; whoever calls says what is wrong.
Invariant: what is wrong stands at the end, and nothing of it is left out but repetitions beyond a number that is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scripts.soak.excuses import Judged, around
from scripts.soak.model import Event, Failure

MOST_LINES = 30


@dataclass
class Outcome:
    """All that a soak found."""

    seed: int
    seconds: float
    began: float
    events: Sequence[Event]
    judged: Judged
    #: Right answers by protocol.
    answers: Mapping[str, int]
    #: What the checks at the end have looked at, one a line, and what of it is wrong.
    facts: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.judged.unexcused and not self.troubles


def render(outcome: Outcome, names: Iterable[str]) -> str:
    """The report; ``names`` are those of all faults, in their order."""
    return "\n".join(_lines(outcome, list(names)))


def _lines(outcome: Outcome, names: list[str]) -> Iterator[str]:
    answers = ", ".join(f"{protocol} {count}" for protocol, count in outcome.answers.items())
    yield f"Soak of {outcome.seconds:.0f} s, seed {outcome.seed}: {len(outcome.events)} faults"
    yield f"Right answers: {answers}"
    yield ""
    yield f"{'fault':<16} {'times':>5} {'failures':>8}  of which kinds, all excused"
    for name in names:
        yield _row(name, outcome)
    yield ""
    yield f"Failures that no fault excuses: {len(outcome.judged.unexcused)}"
    yield from _unexcused(outcome)
    yield ""
    yield "At the end:"
    yield from (f"  {fact}" for fact in outcome.facts)
    yield ""
    yield f"What is wrong: {'nothing' if outcome.is_good else len(outcome.judged.unexcused) + len(outcome.troubles)}"
    yield from _shortened([f"  {trouble}" for trouble in outcome.troubles])


def _row(name: str, outcome: Outcome) -> str:
    places = [place for place, event in enumerate(outcome.events) if event.fault == name]
    kinds = Counter(failure.name for place in places for failure in outcome.judged.excused.get(place, ()))
    said = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    return f"{name:<16} {len(places):>5} {sum(kinds.values()):>8}  {said}".rstrip()


def _unexcused(outcome: Outcome) -> Iterator[str]:
    kinds = Counter(failure.name for failure in outcome.judged.unexcused)
    yield from (f"  {kind} {count}" for kind, count in sorted(kinds.items()))
    yield from _shortened([_told(failure, outcome) for failure in outcome.judged.unexcused])


def _told(failure: Failure, outcome: Outcome) -> str:
    """A failure with what went on about its time, which may help to find out why."""
    near = ", ".join(describe(event, outcome.began) for event in around(outcome.events, failure))
    when = f"{failure.began - outcome.began:.1f}-{failure.at - outcome.began:.1f}s"
    return f"  {when} {failure.name}: {failure.detail}; near: {near or 'nothing'}"


def describe(event: Event, began: float) -> str:
    """A fault with its target and its time, in seconds since ``began``."""
    end = "" if event.ended is None else f"-{event.ended - began:.1f}"
    return f"{event.fault} {event.target} {event.began - began:.1f}{end}"


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"  and {len(lines) - MOST_LINES} more"
