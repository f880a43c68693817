"""What became faster or slower beyond the noise."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.bench.comparison import compare, judge, report
from scripts.bench.figures import Spread
from scripts.bench.model import Run
from scripts.bench.results import Results

ROOT = Path(__file__).resolve().parents[4]


def make_results(values: dict[str, list[float]], case: str = "l4-keep", error: str = "") -> Results:
    """A result with these values of some targets; with an error, all of them have it."""
    errors = [error] if error else []
    runs = [
        Run(case, peer, number, value, errors=errors)
        for peer, figures in values.items()
        for number, value in enumerate(figures, 1)
    ]
    return Results("date", "abc", {"cores": 2}, {"rounds": 3}, {}, {}, {}, runs)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ((100, 90, 110), (150, 140, 160), "better"),
        ((100, 90, 110), (70, 60, 80), "worse"),
        ((100, 90, 110), (115, 105, 125), "same"),
        ((100, 100, 100), (102, 102, 102), "same"),
    ],
)
def test_only_what_is_beyond_the_noise_has_changed(
    old: tuple[float, float, float], new: tuple[float, float, float], verdict: str
) -> None:
    """Rounds that overlap say nothing, and neither does a difference that nobody would feel."""
    assert judge(Spread(*old), Spread(*new), is_better_high=True) == verdict


def test_less_memory_is_better() -> None:
    """Where less is better, the verdict is turned around."""
    assert judge(Spread(10, 10, 10), Spread(5, 5, 5), is_better_high=False) == "better"


def test_each_figure_is_judged() -> None:
    """Every target of both results has a verdict."""
    old = make_results({"deston-l4": [100, 101, 102], "nginx": [100, 101, 102]})
    new = make_results({"deston-l4": [200, 201, 202], "nginx": [101, 102, 103]})
    assert {(one.peer, one.verdict) for one in compare(old, new)} == {("deston-l4", "better"), ("nginx", "same")}


def test_failures_are_not_judged() -> None:
    """A target that failed in one of the two, or is missing in it, is named without a verdict."""
    good, bad = make_results({"nginx": [1.0]}), make_results({"nginx": [9.0]}, error="status")
    assert [one.verdict for one in compare(good, bad)] == ["failed in NEW"]
    assert [one.verdict for one in compare(bad, good)] == ["failed in OLD"]
    assert [one.verdict for one in compare(good, make_results({}))] == ["only in one of the two"]


def test_another_machine_is_said() -> None:
    """Figures of two machines can be compared, but not without being told."""
    old, new = make_results({"nginx": [1.0]}), make_results({"nginx": [1.0]})
    new.machine["cores"] = 64
    assert "cores differs: 2 / 64" in report(old, new)
    assert "Nothing changed" in report(old, old)


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    """`scripts/bench/compare OLD NEW` runs from anywhere, and says what is wrong in a sentence."""
    make_results({"nginx": [1.0]}).save(tmp_path / "old.json")
    make_results({"nginx": [2.0]}).save(tmp_path / "new.json")
    command = [str(ROOT / "scripts" / "bench" / "compare")]
    done = subprocess.run([*command, "old.json", "new.json"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| 1 | 2 | 2.00 | better |" in done.stdout
    wrong = subprocess.run([*command, "old.json", "gone.json"], cwd=tmp_path, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "gone.json is no result" in wrong.stderr
    assert subprocess.run(command, capture_output=True).returncode == 2
