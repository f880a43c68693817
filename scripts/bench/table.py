"""Results as text.

What lives here: tables in Markdown, for the terminal and for docs/benchmarks.md.
What must not: measuring, and judging what a figure means.
Invariant: a target that failed shows why, and nothing that could be taken for a figure.
"""

from __future__ import annotations

import statistics

from scripts.bench.cpu import OTHERS
from scripts.bench.figures import Line, Spread, lines_of, ours, ratio
from scripts.bench.model import DIRECT, PICKS, Case, Run
from scripts.bench.peers import PEERS
from scripts.bench.results import Results
from scripts.bench.workloads import CASES

NOTHING = "–"
HEAD = ("p50 ms", "p99 ms", "bottleneck", "Deston / it")


def number(value: float | None) -> str:
    """A figure with three digits that mean something."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(microseconds: float | None) -> str:
    return NOTHING if microseconds is None else number(microseconds / 1000)


def one_line(case: Case, run: Run) -> str:
    """A round in a few words."""
    if not run.is_good:
        return "FAILED: " + "; ".join(run.errors)
    return f"{number(run.value)} {case.unit.name}" + (f"  ({run.bottleneck})" if run.bottleneck else "")


def as_ratio(figure: Spread | None) -> str:
    """A ratio, with the lowest and highest of the rounds where there is more than one."""
    if figure is None:
        return NOTHING
    spread = "" if figure.low == figure.high else f" ({figure.low:.2f}–{figure.high:.2f})"
    return f"{figure.median:.2f}{spread}"


def markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head, and all columns but the first stand to the right."""
    first, *rest = rows
    rule = ["---", *["---:"] * (len(first) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [first, rule, *rest])


def case_table(case: Case, runs: list[Run]) -> str:
    """All that was measured of a case."""
    lines = lines_of(runs, case.key)
    own = next((line for line in lines if line.peer == ours(case.layer)), None)
    rows = [
        ["", case.unit.name, "lowest–highest", f"CPU {case.unit.cost}", "p50 ms", "p99 ms", "bottleneck", "Deston / it"]
    ]
    rows += [_row(line, own) for line in lines]
    return markdown(_without_empty_columns(rows))


def _row(line: Line, own: Line | None) -> list[str]:
    if line.value is None:
        return [line.peer, "failed: " + "; ".join(line.errors), *[NOTHING] * 6]
    cells = [line.peer, number(line.value.median), f"{number(line.value.low)}–{number(line.value.high)}"]
    cells += [number(line.cost.median if line.cost else None), milliseconds(line.p50), milliseconds(line.p99)]
    return [*cells, line.bottleneck or NOTHING, NOTHING if line is own else as_ratio(ratio(own, line))]


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """Leave out the columns in which nothing stands."""
    kept = [place for place in range(len(rows[0])) if place == 0 or any(row[place] != NOTHING for row in rows[1:])]
    return [[row[place] for place in kept] for row in rows]


def measured_cases(results: Results) -> list[Case]:
    """The cases that a result holds, in the order of the table."""
    keys = {run.case for run in results.runs}
    return [case for case in CASES if case.key in keys]


def summary(results: Results) -> str:
    """One row a case: Deston's figure, and Deston / peer for each peer."""
    peers = [name for name in PEERS if not name.startswith("deston")]
    shown = [name for name in peers if any(run.peer == name for run in results.runs)]
    rows = [["", "unit", "limit (direct)", "Deston", *(f"Deston / {name}" for name in shown)]]
    for case in measured_cases(results):
        if case.unit is not PICKS:
            rows.append(_summary_row(case, results.runs, shown))
    return markdown(rows) if len(rows) > 1 else ""


def _summary_row(case: Case, runs: list[Run], shown: list[str]) -> list[str]:
    lines = {line.peer: line for line in lines_of(runs, case.key)}
    own = lines.get(ours(case.layer))
    ratios = [as_ratio(ratio(own, lines.get(name))) for name in shown]
    unit = case.unit.name + ("" if case.unit.is_better_high else ", less is better")
    return [f"({case.workload}) {case.title}", unit, _value(lines.get(DIRECT)), _value(own), *ratios]


def _value(line: Line | None) -> str:
    if line is None:
        return NOTHING
    return number(line.value.median) if line.value else "failed"


def head(results: Results) -> str:
    """Where and how a result was measured."""
    machine, settings = results.machine, results.settings
    shares = [run.cores[OTHERS] for run in results.runs if OTHERS in run.cores]
    others = f" Other work used {statistics.mean(shares):.2f} of a core meanwhile." if shares else ""
    return (
        f"Run of {results.date}, commit {results.commit or 'unknown'}: {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}, Python {machine['python']}; "
        f"{settings['rounds']} rounds of {settings['seconds']} s.{others}"
    )


def render(results: Results) -> str:
    """Everything: the summary, then a table for each case."""
    parts = [head(results), *_left_out(results), summary(results)]
    for case in measured_cases(results):
        half = ["Half the seconds, but not below two."] if case.has_half_time else []
        less = [] if case.unit.is_better_high else ["Less is better."]
        parts += [f"## {case.workload}. {case.title}", " ".join(half + less), case_table(case, results.runs)]
    versions = "; ".join(f"{name}: {said}" for name, said in results.versions.items())
    return "\n\n".join(part for part in [*parts, f"Versions: {versions}."] if part)


def _left_out(results: Results) -> list[str]:
    return [f"Left out: {name}, {why}." for name, why in results.left_out.items()]
