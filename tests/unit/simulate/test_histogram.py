from __future__ import annotations

import random

import pytest

from deston.simulate.histogram import Histogram
from tests.unit.simulate.builders import SEED


def test_percentiles_are_those_of_the_sorted_values() -> None:
    """Within a quarter of a percent, over six orders of magnitude."""
    rng, histogram = random.Random(SEED), Histogram()
    values = sorted(10 ** rng.uniform(-4, 2) for _ in range(20_000))
    for value in values:
        histogram.add(value)
    for percent in (1, 50, 90, 99, 99.9):
        exact = values[int(percent / 100 * len(values)) - 1]
        assert histogram.percentile(percent) == pytest.approx(exact, rel=0.0026)
    assert histogram.mean == pytest.approx(sum(values) / len(values))
    assert histogram.longest == values[-1]


def test_nothing_counts_as_nothing() -> None:
    """Most requests wait for nobody: their wait is 0, and not a microsecond."""
    histogram = Histogram()
    for seconds in (0.0, 0.0, 0.0, 1.0):
        histogram.add(seconds)
    assert (histogram.percentile(50), histogram.percentile(75), histogram.percentile(99)) == (0.0, 0.0, 1.0)


def test_an_empty_one_has_no_figures() -> None:
    """Where nothing was served, all are 0."""
    histogram = Histogram()
    assert (histogram.count, histogram.mean, histogram.percentile(99), list(histogram.steps())) == (0, 0.0, 0.0, [])


def test_steps_rise_to_all_of_them() -> None:
    """They are what a plot goes through; extremes are counted at the ends."""
    histogram = Histogram()
    for seconds in (1e-9, 0.5, 0.5, 1e9):
        histogram.add(seconds)
    steps = list(histogram.steps())
    assert [at_most for _, at_most in steps] == [1, 3, 4]
    assert [seconds for seconds, _ in steps] == sorted(seconds for seconds, _ in steps)
    assert repr(histogram) == "<Histogram of 4>"
