"""Whole frames."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from deston.admin.top.choices import Choices
from deston.admin.top.figures import UNICODE
from deston.admin.top.frame import AROUND, Reading, make_frame, plain_lines
from deston.admin.top.rates import Rates
from deston.admin.top.rows import Row
from deston.admin.top.view import Line
from tests.unit.admin.top.readings import Told, rates_of, rows_of, server, told

READING = told(
    2,
    shop={
        "a": server(active=2, total=7),
        "b": server(health="down", admin="drain", backup=True, check={"last": 200.0, "reason": "refused\x1b[2J"}),
    },
)


def frame(reading: Told, choices: Choices, width: int = 80, height: int = 24) -> list[str]:
    choices.show(rows_of(reading, choices.sort, choices.reverse, choices.filter))
    choices.resize(height - AROUND)
    lines = make_frame(Reading(reading, "every 1s"), rates_of(reading), choices, UNICODE, width, height)
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize("keys", ["", "j", "d", "jm", "?", "/a", "/zz", "x"])
@pytest.mark.parametrize(("width", "height"), [(20, 6), (33, 7), (80, 24), (140, 40)])
def test_a_frame_has_the_size_of_the_terminal(keys: str, width: int, height: int) -> None:
    """In every mode; and what a server answered cannot steer the terminal."""
    choices = Choices()
    frame(READING, choices)
    for key in keys:
        choices.press(key)
    lines = frame(READING, choices, width, height)
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= width
    assert all(line.isprintable() for line in lines)


def test_the_head_tells_of_all() -> None:
    """The file, the workers, the rates of all; a worker that does not know the last change yet."""
    first, second, *_ = frame(READING, Choices())
    assert first.split() == ["deston", "top", "·", "deston.conf", "2", "workers", "·", "every", "1s"]
    assert second.startswith("all: 2 under way · 7/s · 0 failures/s · in 0/s · out 0/s")
    assert "1 worker, 1 not yet told of the last change" in frame({**told(1, a={}), "revision": 8}, Choices())[0]
    assert "no worker runs" in frame(told(0, a={}), Choices())[0]


def test_before_the_second_reading_rates_are_not_made_up() -> None:
    """It is said that they follow."""
    choices = Choices()
    choices.show(rows_of(READING))
    rates = Rates()
    rates.add(READING, 1.0)
    assert "rates follow" in plain_lines(Reading(READING, "every 1s"), rates, choices, UNICODE, 80)[1]


def test_the_selected_server_is_told_in_full() -> None:
    """Its address, what the last check found and when, its weight."""
    choices = Choices()
    frame(READING, choices)
    choices.press("j")
    assert frame(READING, choices, 140)[-2].rstrip() == (
        "shop/b · 127.0.0.1:3000 · drain, down: refused?[2J, checked 3m ago · weight 1 · backup · 0 of 0 failed"
    )


def test_the_bottom_line_is_of_the_mode() -> None:
    """Keys, a question with its warning above it, what is typed, a notice, an error."""
    choices = Choices()
    assert frame(READING, choices)[-1].startswith("q quit  ? help  d drain")
    choices.press("d")
    warning, question = (line.rstrip() for line in frame(READING, choices)[-2:])
    assert warning == "! it is the last server of pool shop that can be picked"
    assert question == "drain shop/a? No new clients, 2 under way go on (y/n)"
    assert frame(READING, choices, 30)[-1].endswith("… (y/n)")
    choices.press("n")
    assert frame(READING, choices)[-1].rstrip() == "nothing was changed"
    choices.say("no", is_error=True)
    assert frame(READING, choices)[-1].rstrip() == "error: no"
    for key in "/zz":
        choices.press(key)
    lines = frame(READING, choices)
    assert lines[-1].startswith("filter: zz_")
    assert lines[0].startswith("0 of 2 servers fit 'zz'")
    assert "no server fits the filter" in lines[3]


def test_only_what_is_seen_is_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand servers a frame formats as many rows as it has lines."""
    reading = told(app={f"s{number}": server() for number in range(1000)})
    choices = Choices()
    drawn: list[str] = []

    def count(row: Row, *rest: object) -> Line:
        drawn.append(row.server)
        return []

    monkeypatch.setattr("deston.admin.top.frame.row_line", count)
    frame(reading, choices)
    assert len(drawn) == 24 - AROUND


def test_a_plain_frame_has_all_rows() -> None:
    """No selection, no bottom line, and no blanks at the ends of lines."""
    reading = told(app={f"s{number}": server() for number in range(100)})
    choices = Choices()
    choices.show(rows_of(reading))
    lines = plain_lines(Reading(reading, "every 1s"), rates_of(reading), choices, UNICODE, 80)
    assert len(lines) == 3 + 1 + 100
    assert all(line == line.rstrip() for line in lines)
    assert "▶" not in "".join(lines)
