"""Medians, spreads and ratios, and their absence where a round had errors."""

from __future__ import annotations

from scripts.bench.figures import Spread, lines_of, ratio, spread, summarize
from scripts.bench.model import Run


def rounds(peer: str, *values: float | None, case: str = "l4-keep", error: str = "") -> list[Run]:
    """A run for each value; the last one has the error, if there is any."""
    runs = [Run(case, peer, number, value, 10.0, 1000, 2000) for number, value in enumerate(values, 1)]
    if error:
        runs[-1].errors.append(error)
    return runs


def test_a_spread_is_median_lowest_and_highest() -> None:
    """Of several figures; and there is none where one is missing."""
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread([]) is None
    assert spread([1.0, None]) is None


def test_a_line_sums_up_the_rounds() -> None:
    """Values stand in the order of the rounds, whatever the order of the file."""
    line = summarize(reversed(rounds("nginx", 100.0, 300.0, 200.0)), "l4-keep", "nginx")
    assert line is not None
    assert line.values == (100.0, 300.0, 200.0)
    assert line.value == Spread(200.0, 100.0, 300.0)
    assert (line.p50, line.p99, line.errors) == (1000, 2000, ())


def test_one_error_takes_the_figure_away() -> None:
    """A target with an error in one round has no figure, and says what went wrong."""
    line = summarize(rounds("nginx", 100.0, 300.0, error="3 read errors"), "l4-keep", "nginx")
    assert line is not None
    assert line.value is None
    assert line.errors == ("3 read errors",)


def test_no_value_is_no_figure() -> None:
    """A round that measured nothing fails its target even without an error."""
    line = summarize(rounds("nginx", 100.0, None), "l4-keep", "nginx")
    assert line is not None
    assert line.value is None


def test_what_was_not_measured_has_no_line() -> None:
    """Neither another case nor another target counts."""
    assert summarize(rounds("nginx", 100.0), "l7-keep", "nginx") is None
    assert lines_of(rounds("nginx", 100.0), "l7-keep") == []


def test_a_ratio_is_taken_round_by_round() -> None:
    """A slow hour that hits both changes the figures and not the ratio."""
    runs = rounds("deston-l4", 50.0, 100.0, 20.0) + rounds("nginx", 100.0, 200.0, 40.0)
    own, other = lines_of(runs, "l4-keep")
    assert ratio(own, other) == Spread(0.5, 0.5, 0.5)


def test_a_run_with_errors_has_no_ratio() -> None:
    """On neither side, and not where one side was not measured."""
    good = summarize(rounds("deston-l4", 50.0), "l4-keep", "deston-l4")
    bad = summarize(rounds("nginx", 100.0, error="status"), "l4-keep", "nginx")
    assert ratio(good, bad) is None
    assert ratio(bad, good) is None
    assert ratio(good, None) is None
    assert ratio(good, summarize(rounds("nginx", 0.0), "l4-keep", "nginx")) is None
