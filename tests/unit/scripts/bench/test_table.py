"""Results as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench import publish, table
from scripts.bench.model import BenchError, Run
from scripts.bench.results import Results, load
from scripts.bench.workloads import CASES

PLACES = ("processor", "cores", "memory", "kernel", "python")


def make_results(*runs: Run) -> Results:
    """A result with these runs, of no machine in particular."""
    settings = {"rounds": 1, "seconds": 1}
    return Results(
        "2026-01-01-0000", "abc", dict.fromkeys(PLACES, "some"), settings, {"nginx": "1"}, {}, {}, list(runs)
    )


def rows(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_every_case_has_a_name_of_its_own() -> None:
    """Keys are what results of different days are compared by; all thirteen workloads are there."""
    assert len({case.key for case in CASES}) == len(CASES)
    assert {case.workload for case in CASES} == set(range(1, 14))


def test_ratios_stand_in_the_summary() -> None:
    """Deston's figure, and what it is of each peer's."""
    text = table.summary(make_results(Run("l4-keep", "deston-l4", 1, 50.0), Run("l4-keep", "nginx", 1, 200.0)))
    [row] = rows(text, "| (1)")
    assert row.endswith("| requests/s | – | 50 | 0.25 |")


def test_a_failed_run_has_no_ratio() -> None:
    """A peer with errors is said to have failed, and why; Deston has no ratio to it."""
    runs = (
        Run("l4-keep", "deston-l4", 1, 50.0),
        Run("l4-keep", "nginx", 1, 200.0, errors=["7 read errors"]),
        Run("l4-keep", "haproxy", 1, 100.0),
    )
    text = table.render(make_results(*runs))
    [failed] = rows(text, "| nginx")
    assert "failed: 7 read errors" in failed
    assert "200" not in failed
    [summary] = rows(text, "| (1)")
    assert summary.endswith("| 50 | 0.50 | – |")


def test_failed_deston_has_no_ratio_to_anybody() -> None:
    """It is Deston's row that says it then."""
    runs = (Run("l4-keep", "deston-l4", 1, errors=["status 502"]), Run("l4-keep", "nginx", 1, 200.0))
    [summary] = rows(table.summary(make_results(*runs)), "| (1)")
    assert summary.endswith("| failed | – |")


def test_other_work_is_told() -> None:
    """How much of the machine was not ours stands above the figures."""
    runs = [
        Run("l4-keep", "nginx", 1, 1.0, cores={"others": 0.5}),
        Run("l4-keep", "nginx", 2, 1.0, cores={"others": 1}),
    ]
    assert "Other work used 0.75 of a core meanwhile." in table.head(make_results(*runs))
    assert "Other work" not in table.head(make_results(Run("pick", "random", 1, 1.0)))


def test_the_page_keeps_what_is_around_the_tables() -> None:
    """Only what stands between the marks is replaced."""
    page = f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n"
    assert publish.insert(page, "new") == f"before\n{publish.BEGIN}\n\nnew\n\n{publish.END}\nafter\n"
    with pytest.raises(BenchError, match="marks"):
        publish.insert("a page without them", "new")


def test_our_page_has_the_marks() -> None:
    """The tables can be written into the page of the documentation."""
    assert "new" in publish.insert(publish.DOCS.read_text(encoding="utf-8"), "new")


def test_results_survive_a_file(tmp_path: Path) -> None:
    """What is read back is what was written, and what is no result is refused."""
    before = make_results(Run("l4-keep", "nginx", 1, 200.0, cores={"load": 0.5}), Run("l4-keep", "nginx", 2))
    before.save(tmp_path / "one.json")
    assert load(tmp_path / "one.json") == before
    (tmp_path / "other.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(BenchError, match="no result"):
        load(tmp_path / "other.json")
