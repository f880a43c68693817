from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from deston.simulate.plot import plot
from deston.simulate.results import Result
from tests.unit.simulate.builders import make_arrivals, make_result, make_scenario, simulate


def drawn(*results: Result) -> list[str]:
    """The elements of a plot, which has to be XML."""
    root = ElementTree.fromstring(plot("a & b", results))
    return [one.tag.rpartition("}")[2] for one in root.iter()]


def test_few_servers_have_bars_and_many_have_lines() -> None:
    """A curve of latencies for each policy; then bars for each server, or one more curve."""
    arrivals = make_arrivals(100, 500)
    few = [simulate(make_scenario(1, 1), name, arrivals) for name in ("random", "round_robin")]
    many = [simulate(make_scenario(*[1] * 30), name, arrivals) for name in ("random", "round_robin")]
    # Two rectangles are of the legend, and one is the paper.
    assert (drawn(*few).count("polyline"), drawn(*few).count("rect")) == (2, 2 * 2 + 3)
    assert (drawn(*many).count("polyline"), drawn(*many).count("rect")) == (4, 3)


def test_the_same_results_are_the_same_plot() -> None:
    """So that a plot in the documentation changes when what it shows does."""
    results = [make_result("random", 0.01, 0.02)]
    assert plot("x", results) == plot("x", results)


@pytest.mark.parametrize("seconds", [(), (0.02,), (0.0,), (0.02,) * 1000])
def test_there_is_always_something_to_see(seconds: tuple[float, ...]) -> None:
    """Also where nothing was served, or all took the same time."""
    assert "svg" in drawn(make_result("random", *seconds))
