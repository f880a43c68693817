"""Figures in a few characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from deston.admin.top.figures import ASCII, UNICODE, fitted, latency, short, signs_for, sparkline


@pytest.mark.parametrize(
    ("figure", "step", "text"),
    [
        (None, 1000, "-"), (0, 1000, "0"), (0.01, 1000, "<0.1"), (0.3, 1000, "0.3"), (3.0, 1000, "3"),
        (12.4, 1000, "12"),
        (999.4, 1000, "999"), (999.6, 1000, "1.0k"), (1200, 1000, "1.2k"), (12_345, 1000, "12k"), (1010, 1024, "1.0k"),
        (5_000_000, 1000, "5.0M"), (1 << 30, 1024, "1.0G"),
    ],
)  # fmt: skip
def test_a_figure_is_short(figure: float | None, step: int, text: str) -> None:
    """Two digits say enough, and what is not known is no 0."""
    assert short(figure, step) == text


@given(st.floats(0, 1e30), st.sampled_from([1000, 1024]))
def test_a_figure_never_needs_more_room(figure: float, step: int) -> None:
    """Five characters, whatever it is."""
    assert len(short(figure, step)) <= 5


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "-"), (0.1, "0.1ms"), (9.96, "10ms"), (340.2, "340ms"), (999.6, "1.0s"), (1234, "1.2s"), (100_000, "100s")],
)
def test_a_latency_has_its_unit(milliseconds: float, text: str) -> None:
    """Milliseconds below a second, seconds above."""
    assert latency(milliseconds) == text


def test_a_sparkline_has_the_latest_values() -> None:
    """0 is lowest and alone there, the peak highest, and what is not known yet is blank."""
    assert sparkline([9, 0, 0.001, 4, 8], 8, 4, UNICODE.heights) == "▁▂▅█"
    assert sparkline([1], 1, 3, ASCII.heights) == "  #"
    assert sparkline([0, 0], 0, 2, UNICODE.heights) == "▁▁"
    assert sparkline([5], 5, 0, UNICODE.heights) == ""


@given(st.text(), st.integers(0, 30), st.booleans())
def test_a_text_has_its_width(text: str, width: int, right: bool) -> None:
    """Wide characters are two columns, and none steers the terminal."""
    found = fitted(text, width, UNICODE, right)
    assert cell_len(found) == width
    assert all(one.isprintable() for one in found)


def test_signs_are_those_that_can_be_written() -> None:
    """A terminal that has no UTF-8 gets plain characters; each state has a sign of its own in both."""
    assert signs_for("utf-8") is UNICODE
    assert signs_for("ascii") is ASCII
    assert signs_for("") is ASCII
    for signs in (UNICODE, ASCII):
        assert len({signs.of_state(state) for state in ("up", "down", "unchecked", "drain", "maint")}) == 5
