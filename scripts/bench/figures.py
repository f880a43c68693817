"""What the rounds of a target come to.

What lives here: medians, spreads and ratios.
What must not: how they are printed, processes.
Invariant: where one round had an error there is no figure, and no ratio to it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.bench.model import Run

#: Which of Deston's commands serves a layer.
OURS = {"l4": "deston-l4", "bulk": "deston-l4", "udp": "deston-l4", "udp_once": "deston-l4", "stock": "deston-l7-stock"}
OURS_ELSE = "deston-l7"


def ours(layer: str) -> str:
    """The command of Deston that is compared with the peers on a layer."""
    return OURS.get(layer, OURS_ELSE)


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """A target of a case over its rounds; ``rate`` is None where a round had errors."""

    peer: str
    values: tuple[float, ...]
    value: Spread | None
    cost: Spread | None
    p50: float | None
    p99: float | None
    bottleneck: str
    errors: tuple[str, ...]


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of figures; None where one is missing, or all are."""
    known = list(values)
    figures = [one for one in known if one is not None]
    if not figures or len(figures) < len(known):
        return None
    return Spread(statistics.median(figures), min(figures), max(figures))


def summarize(runs: Iterable[Run], case: str, peer: str) -> Line | None:
    """The line of a target in a case; None where it was not measured."""
    own = sorted((run for run in runs if (run.case, run.peer) == (case, peer)), key=lambda run: run.round)
    if not own:
        return None
    errors = tuple(dict.fromkeys(error for run in own for error in run.errors))
    if errors or not all(run.is_good for run in own):
        return Line(peer, (), None, None, None, None, "", errors or ("no figure",))
    p50, p99 = spread(run.p50 for run in own), spread(run.p99 for run in own)
    return Line(
        peer,
        tuple(run.value for run in own if run.value is not None),
        spread(run.value for run in own),
        spread(run.cost for run in own),
        p50.median if p50 else None,
        p99.median if p99 else None,
        Counter(run.bottleneck for run in own).most_common(1)[0][0],
        (),
    )


def lines_of(runs: list[Run], case: str) -> list[Line]:
    """A line for each target of a case, in the order in which they were measured."""
    names = dict.fromkeys(run.peer for run in runs if run.case == case)
    return [line for name in names if (line := summarize(runs, case, name))]


def ratio(own: Line | None, other: Line | None) -> Spread | None:
    """Own / other, round by round, because only what was measured one after the other may be compared."""
    if own is None or other is None or not own.value or not other.value or len(own.values) != len(other.values):
        return None
    if not all(other.values):
        return None
    return spread(mine / its for mine, its in zip(own.values, other.values, strict=True))
