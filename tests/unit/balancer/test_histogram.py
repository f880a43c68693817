"""How many took how long."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.histogram import BOUNDS, Histogram
from tests.properties import unhurried


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (BOUNDS[0], 0), (BOUNDS[3], 3), (BOUNDS[-1], len(BOUNDS) - 1), (BOUNDS[-1] + 1, len(BOUNDS))],
)
def test_a_bound_belongs_to_what_is_below_it(seconds: float, place: int) -> None:
    found = Histogram()
    found.add(seconds)
    assert found.counts[place] == sum(found.counts) == 1
    assert found.seconds == seconds


@unhurried
@given(st.floats(0, 4000))
def test_each_time_has_its_place(seconds: float) -> None:
    """The first bound that is not below it, else behind the last."""
    found = Histogram()
    found.add(seconds)
    assert found.counts.index(1) == bisect_left(BOUNDS, seconds)
