"""The table within a width."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from deston.admin.top.figures import ASCII, UNICODE
from deston.admin.top.view import STATE_STYLES, Line, Look, columns_for, heading, row_line
from tests.unit.admin.top.readings import rates_of, rows_of, server, told

READING = told(
    shop={
        "web-1": server(total=120, active=3, failures=4, latency_ms=12.0, bytes_out=4096),
        "web-2": server(health="down", changed=True, address="10.1.2.3:8080"),
        "名前": server(admin="maint", weight=0),
    }
)


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_every_line_keeps_to_the_width(width: int) -> None:
    """Whatever the width, and with wide characters in names."""
    rows = rows_of(READING)
    columns = columns_for(width, rows)
    look = Look(UNICODE, rates_of(READING))
    lines = [heading(columns, "rate", True, UNICODE), *(row_line(row, columns, look, True) for row in rows)]
    assert all(cell_len(text_of(line)) <= width for line in lines)
    assert len({cell_len(text_of(line)) for line in lines}) == 1


def test_more_room_shows_more() -> None:
    """The least is who it is and how it is; at 80 columns all figures and a trend, then the rest."""
    titles = {width: [one.title for one in columns_for(width, rows_of(READING))] for width in (30, 80, 140)}
    assert titles[30] == ["SERVER", "STATE"]
    assert titles[80] == ["SERVER", "STATE", "ACT", "RATE/s", "FAIL/s", "LATENCY", "IN/s", "OUT/s", "TREND"]
    assert set(titles[140]) - set(titles[80]) == {"ADDRESS", "WEIGHT", "TOTAL"}


def test_a_row_says_everything_without_colours() -> None:
    """States are words with a sign, in plain characters as well; a change at run time has a star."""
    rows = rows_of(READING)
    columns = columns_for(140, rows)
    look = Look(ASCII, rates_of(READING))
    pool, up, down, maint = (text_of(row_line(row, columns, look)).split() for row in rows)
    assert pool[:5] == ["shop", "round_robin", "1", "of", "3"]
    assert up == ["web-1", "127.0.0.1:3000", "+", "up", "1", "3", "120", "4", "12ms", "0", "4.0k", "120", "#"]
    assert down[:4] == ["*web-2", "10.1.2.3:8080", "x", "down"]
    assert maint[2:5] == ["!", "maint", "0"]
    selected = row_line(rows[1], columns, look, True)
    assert text_of(selected).startswith(">")
    assert all("reverse" in style for _, style in selected)


def test_colours_follow_the_state() -> None:
    """Each state has its own, and a pool warns when not all of it may be picked."""
    rows = rows_of(READING)
    columns = columns_for(80, rows)
    look = Look(UNICODE, rates_of(READING))
    styles = [row_line(row, columns, look)[2][1] for row in rows]
    assert styles == ["bold yellow", STATE_STYLES["up"], STATE_STYLES["down"], STATE_STYLES["maint"]]
    assert len(set(STATE_STYLES.values())) == 5


def test_the_heading_tells_the_order() -> None:
    """An arrow stands at the column that is sorted by."""
    columns = columns_for(80, rows_of(READING))
    assert "▾RATE/s" in text_of(heading(columns, "rate", False, UNICODE))
    assert "SERVER▴" in text_of(heading(columns, "name", True, UNICODE))
    assert "▾" not in text_of(heading(columns, "file", False, UNICODE))
