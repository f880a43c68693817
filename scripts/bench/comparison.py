"""Two results beside each other.

What lives here: which figures differ by more than the rounds of each differ among themselves.
What must not: measuring.
Invariant: what one of the two has not measured, or measured with errors, is named and not judged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.bench import results
from scripts.bench.figures import Line, Spread, ours, summarize
from scripts.bench.model import BenchError, Case
from scripts.bench.results import Results
from scripts.bench.table import markdown, measured_cases, number

# Below this, rounds that happen to agree would make a difference of what nobody would feel.
SMALLEST_CHANGE = 0.03
USAGE = "usage: scripts/bench/compare OLD.json NEW.json"


@dataclass(frozen=True)
class Change:
    """A figure of a target before and after. ``verdict`` is faster, slower, the same, or why neither can be said."""

    case: Case
    peer: str
    what: str
    old: Spread | None
    new: Spread | None
    verdict: str

    @property
    def is_news(self) -> bool:
        return self.verdict != "same"


def judge(old: Spread, new: Spread, is_better_high: bool) -> str:
    """``better`` or ``worse`` where the rounds of the two do not overlap, else ``same``."""
    apart = new.low > old.high or new.high < old.low
    if not apart or not old.median or abs(new.median / old.median - 1) < SMALLEST_CHANGE:
        return "same"
    return "better" if (new.median > old.median) == is_better_high else "worse"


def compare_lines(case: Case, peer: str, old: Line | None, new: Line | None) -> Iterator[Change]:
    """The changes of a target: of its figure, and of the CPU time that it takes."""
    if old is None or new is None:
        yield Change(case, peer, case.unit.name, None, None, "only in one of the two")
        return
    if old.value is None or new.value is None:
        which = "both" if old.value is None and new.value is None else "OLD" if old.value is None else "NEW"
        yield Change(case, peer, case.unit.name, old.value, new.value, f"failed in {which}")
        return
    yield Change(
        case, peer, case.unit.name, old.value, new.value, judge(old.value, new.value, case.unit.is_better_high)
    )
    if old.cost and new.cost:
        verdict = judge(old.cost, new.cost, is_better_high=False)
        yield Change(case, peer, f"CPU {case.unit.cost}", old.cost, new.cost, verdict)


def compare(old: Results, new: Results) -> list[Change]:
    """Every figure that either result has."""
    cases = dict.fromkeys([*measured_cases(old), *measured_cases(new)])
    changes: list[Change] = []
    for case in cases:
        peers = dict.fromkeys(run.peer for run in [*old.runs, *new.runs] if run.case == case.key)
        for peer in peers:
            lines = (summarize(one.runs, case.key, peer) for one in (old, new))
            changes.extend(compare_lines(case, peer, *lines))
    return changes


def report(old: Results, new: Results) -> str:
    """What changed, as a table; Deston's own figures first."""
    changes = compare(old, new)
    news = sorted((one for one in changes if one.is_news), key=lambda one: one.peer != ours(one.case.layer))
    rows = [["", "unit", "old", "new", "new / old", ""]]
    rows += [[f"{one.case.title}: {one.peer}", one.what, *_figures(one), one.verdict] for one in news]
    same = sum(not one.is_news for one in changes)
    head = [f"{name} differs: {before} / {after}" for name, before, after in _machines(old, new)]
    table = markdown(rows) if news else "Nothing changed beyond the noise of the rounds."
    return "\n".join([*head, table, f"{same} other figures are the same within the noise of their rounds."])


def _figures(change: Change) -> list[str]:
    before, after = (one.median if one else None for one in (change.old, change.new))
    return [number(before), number(after), f"{after / before:.2f}" if before and after else "–"]


def _machines(old: Results, new: Results) -> Iterator[tuple[str, str, str]]:
    """What is different below the two, so that figures may differ for no merit of ours."""
    for name in ("processor", "cores", "memory", "kernel"):
        before, after = (str(one.machine.get(name)) for one in (old, new))
        if before != after:
            yield name, before, after
    for name in ("rounds", "seconds"):
        before, after = (str(one.settings.get(name)) for one in (old, new))
        if before != after:
            yield name, before, after


def main(words: list[str]) -> None:
    if len(words) != 2:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    try:
        old, new = (results.load(Path(word)) for word in words)
    except BenchError as error:
        sys.exit(str(error))
    print(report(old, new))
