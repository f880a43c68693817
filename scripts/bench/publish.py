"""Where results are written to: bench/results/ and docs/.

What lives here: the files of one result, the pictures, and the page of the documentation.
What must not: what stands in the tables.
Invariant: of the page only what stands between its marks changes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scripts.bench import results, table
from scripts.bench.model import BenchError
from scripts.bench.results import Results
from scripts.bench.tools import BENCH_BIN
from scripts.processes import ROOT

DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- Written by `make bench DOCS=1`: from here -->"
END = "<!-- to here -->"
PICTURES = {"l4": "L4 in bars", "l7": "L7 in bars", "growth": "Rates by connections"}


def save(outcome: Results, output: str) -> Path:
    """Write every round as JSON, and the tables beside it; returns the file of the rounds."""
    path = Path(output) if output else results.FOLDER / f"{outcome.date}.json"
    outcome.save(path)
    path.with_suffix(".md").write_text(f"# Measured on {outcome.date}\n\n{table.render(outcome)}\n", encoding="utf-8")
    return path


def write_docs(outcome: Results, path: Path) -> None:
    """Put the summary of a result, its pictures and a link to its tables into the page."""
    images = [f"![{PICTURES[name]}](benchmarks/{name}.png)" for name in draw(path)]
    tables = os.path.relpath(path.with_suffix(".md").resolve(), DOCS.parent)
    link = f"All tables, with CPU time, latencies and bottlenecks: [{outcome.date}]({tables})."
    text = "\n\n".join([table.head(outcome), table.summary(outcome), link, *images])
    DOCS.write_text(insert(DOCS.read_text(encoding="utf-8"), text), encoding="utf-8")


def insert(page: str, text: str) -> str:
    """Put a text between the two marks of a page; raises ``BenchError`` where they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{DOCS} lacks the marks between which the results stand")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def draw(path: Path) -> list[str]:
    """Draw pictures of a result where matplotlib is there to do it; returns their names."""
    python = BENCH_BIN / "python"
    if not python.exists():
        print("No pictures: matplotlib is in the environment that make bench-deps makes.")
        return []
    command = [str(python), "-m", "scripts.bench.plots", str(path.resolve()), str(DOCS.with_suffix(""))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"No pictures: {' '.join(done.stderr.split())[-200:]}")
        return []
    return done.stdout.split()
