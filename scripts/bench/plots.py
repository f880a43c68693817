"""Results as pictures: ``.bench-venv/bin/python -m scripts.bench.plots RESULT.json FOLDER``.

What lives here: all that knows matplotlib, which is installed in the benchmark's own environment only.
What must not: anything that needs Deston.
Invariant: a target that failed has no bar and no point.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from scripts.bench import results
from scripts.bench.figures import lines_of, summarize
from scripts.bench.model import DIRECT
from scripts.bench.results import Results
from scripts.bench.table import measured_cases
from scripts.bench.workloads import GROWTH

OURS_COLOR, DIRECT_COLOR, OTHERS_COLOR = "#c0392b", "#cccccc", "#4a6fa5"
RESOLUTION = 80
#: A picture of bars for each of these groups of cases.
GROUPS = {
    "l4": ("l4-keep", "l4-new", "l4-bulk-1-down", "l4-latency"),
    "l7": ("l7-keep", "l7-new", "l7-64k", "l7-post", "tls-keep", "tls-new"),
}


def color(peer: str) -> str:
    if peer == DIRECT:
        return DIRECT_COLOR
    return OURS_COLOR if peer.startswith("deston") else OTHERS_COLOR


def draw_bars(pyplot: Any, outcome: Results, keys: tuple[str, ...], file: Path) -> bool:
    """A small picture of bars for each case; returns whether there was anything to draw."""
    cases = [case for case in measured_cases(outcome) if case.key in keys]
    if not cases:
        return False
    rows = (len(cases) + 1) // 2
    figure, axes = pyplot.subplots(rows, 2, figsize=(11, 2.6 * rows), squeeze=False)
    for axis in axes.flat[len(cases) :]:
        axis.axis("off")
    for axis, case in zip(axes.flat, cases, strict=False):
        lines = [line for line in lines_of(outcome.runs, case.key) if line.value]
        spreads = [line.value for line in reversed(lines) if line.value]
        names = [line.peer for line in reversed(lines)]
        errors = [[one.median - one.low for one in spreads], [one.high - one.median for one in spreads]]
        axis.barh(names, [one.median for one in spreads], xerr=errors, color=[color(name) for name in names])
        axis.set_title(f"{case.title}, {case.unit.name}", fontsize=9)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=RESOLUTION)
    return True


def draw_growth(pyplot: Any, outcome: Results, file: Path) -> bool:
    """Rates over the number of connections, for L4 and L7; returns whether there was anything to draw."""
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 3.6))
    drawn = False
    for axis, layer in zip(axes, ("l4", "l7"), strict=True):
        peers = dict.fromkeys(run.peer for run in outcome.runs if run.case.startswith(f"{layer}-growth-"))
        for peer in peers:
            found = [(count, summarize(outcome.runs, f"{layer}-growth-{count}", peer)) for count in GROWTH]
            points = [(count, line.value.median) for count, line in found if line and line.value]
            axis.plot(*zip(*points, strict=True), marker="o", label=peer) if points else None
            drawn = drawn or bool(points)
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_title(f"{layer.upper()}: requests/s by connections", fontsize=9)
        axis.legend(fontsize=8) if peers else None
    figure.tight_layout()
    if drawn:
        figure.savefig(file, dpi=RESOLUTION)
    return drawn


def main(words: list[str]) -> None:
    """Draw what the result holds; the names of the pictures are printed, one a line."""
    source, folder = (Path(word) for word in words)
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    outcome = results.load(source)
    folder.mkdir(parents=True, exist_ok=True)
    for name, keys in GROUPS.items():
        if draw_bars(pyplot, outcome, keys, folder / f"{name}.png"):
            print(name)
    if draw_growth(pyplot, outcome, folder / "growth.png"):
        print("growth")


if __name__ == "__main__":
    main(sys.argv[1:])
