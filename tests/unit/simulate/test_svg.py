from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from deston.simulate import svg
from deston.simulate.svg import Panel, Scale


def test_a_scale_places_values_between_its_ends() -> None:
    """What lies outside is drawn at the end; a scale of one value has it in the middle."""
    scale = Scale(0, 10, 100, 0)
    assert [scale.place(value) for value in (0, 5, 10, 20, -1)] == [100, 50, 0, 0, 100]
    assert Scale(3, 3, 0, 100).place(3) == 50


def test_a_logarithmic_scale_has_equal_steps_for_equal_factors() -> None:
    """Each ten times as much is as far."""
    scale = Scale(1, 1000, 0, 300, True)
    assert [round(scale.place(value)) for value in (1, 10, 100, 1000)] == [0, 100, 200, 300]


@pytest.mark.parametrize(("high", "last", "count"), [(1.1, "1", 6), (10, "10", 6), (1000, "1000", 6), (0, "0", 1)])
def test_linear_ticks_are_round(high: float, last: str, count: int) -> None:
    """From 0, and no more than seven."""
    ticks = svg.linear_ticks(high, "{:g}".format)
    assert ticks[0] == (0.0, "0")
    assert (ticks[-1][1], len(ticks)) == (last, count)


def test_logarithmic_ticks_are_round() -> None:
    """1, 2 and 5 while there is room, else the powers of ten."""
    ticks = svg.logarithmic_ticks(0.01, 0.2, "{:g}".format)
    assert [text for _, text in ticks] == ["0.01", "0.02", "0.05", "0.1", "0.2"]
    assert len(svg.logarithmic_ticks(1e-3, 1e3, "{:g}".format)) == 7


def test_the_whole_is_xml() -> None:
    """Whatever the names in it are."""
    panel = Panel("<a> & b", Scale(0, 1, 0, 100), Scale(0, 1, 100, 0))
    elements = [
        *panel.frame([(0.5, "half")], [(1, "<1>")]),
        panel.curve([(0, 0), (1, 1)], svg.colour(0)),
        panel.bar(0, 0.5, 1, svg.colour(9)),
        *svg.legend(0, 0, ["a&b"], 100),
    ]
    root = ElementTree.fromstring(svg.paper(100, 50, "<title>", elements))
    names = [one.tag.rpartition("}")[2] for one in root.iter()]
    assert {"polyline", "rect", "line", "text", "title"} <= set(names)
    assert "<a> & b" in [one.text for one in root.iter()]


def test_colours_come_round() -> None:
    """There are more policies than colours that can be told apart."""
    assert svg.colour(0) == svg.colour(len(svg.COLOURS))
