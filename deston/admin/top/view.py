"""The table of pools and servers as lines of a certain width.

What lives here: its columns, which of them a width has room for, and the cells of a row with their colours.
What must not: what stands above and below it (``frame``), the terminal (``screen``).
Invariant: a line has the width that was asked for; a colour only repeats what a word or a sign says; only rows that
are asked for are formatted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from deston.admin.top.figures import Signs, fitted, latency, short, sparkline
from deston.admin.top.rates import KEPT, Rates
from deston.admin.top.rows import Row

#: A text and its style, in the words of rich; a line is several of them.
Piece = tuple[str, str]
Line = list[Piece]

STATE_STYLES = {"up": "green", "down": "bold red", "unchecked": "yellow", "drain": "cyan", "maint": "magenta"}
_BYTES = 1024
# The column of the cursor, and the space behind it.
_MARGIN = 2
_LONGEST_TEXT = 40


@dataclass(frozen=True, slots=True)
class Look:
    """What rows are drawn with: the signs of the terminal, and the rates for the sparklines."""

    signs: Signs
    rates: Rates


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the least width, the text of a row, and what sorts by it, empty for nothing.

    ``most`` is how wide it may become where there is room; a text is given as much as its longest needs.
    """

    title: str
    width: int
    cell: Callable[[Row, int, Look], str]
    sort: str = ""
    right: bool = True
    most: int = 0


def _name(row: Row, width: int, look: Look) -> str:
    return f" {'*' if row.told['changed'] else ' '}{row.server}" if row.server else row.pool


def _address(row: Row, width: int, look: Look) -> str:
    return str(row.told["address"]) if row.server else row.algorithm


def _state(row: Row, width: int, look: Look) -> str:
    if row.server:
        return f"{look.signs.of_state(row.state)} {row.state}"
    return f"{sum(one.can_be_picked for one in row.servers)} of {len(row.servers)}"


def _rate(figure: int, step: int = 1000) -> Callable[[Row, int, Look], str]:
    return lambda row, width, look: short(row.rate[figure] if row.rate is not None else None, step)


def _trend(row: Row, width: int, look: Look) -> str:
    history = look.rates.history(row.pool, row.server)
    # Servers are drawn to the scale of their pool, so that who carries more stands higher.
    peak = look.rates.peak(row.pool) if row.server else max(history, default=0.0)
    return sparkline(history, peak, width, look.signs.heights)


_SERVER = Column("SERVER", 16, _name, "name", right=False, most=_LONGEST_TEXT)
_ADDRESS = Column("ADDRESS", 21, _address, right=False, most=_LONGEST_TEXT)
_TREND = Column("TREND", 8, _trend, right=False, most=KEPT)

# From left to right.
_COLUMNS = (
    _SERVER,
    _ADDRESS,
    Column("STATE", 11, _state, "state", right=False),
    Column("WEIGHT", 6, lambda row, width, look: str(row.told["weight"]) if row.server else ""),
    Column("ACT", 5, lambda row, width, look: short(row.sum("active")), "active"),
    Column("RATE/s", 6, _rate(0), "rate"),
    Column("FAIL/s", 6, _rate(1), "failures"),
    Column("LATENCY", 7, lambda row, width, look: latency(row.latency_ms), "latency"),
    Column("IN/s", 5, _rate(2, _BYTES), "in"),
    Column("OUT/s", 5, _rate(3, _BYTES), "out"),
    Column("TOTAL", 5, lambda row, width, look: short(row.sum("total"))),
    _TREND,
)
# What is left out where there is no room stands last.
_IMPORTANCE = [
    "SERVER",
    "STATE",
    "RATE/s",
    "ACT",
    "LATENCY",
    "FAIL/s",
    "IN/s",
    "OUT/s",
    "TREND",
    "ADDRESS",
    "TOTAL",
    "WEIGHT",
]


def columns_for(width: int, rows: Sequence[Row]) -> list[Column]:
    """The columns that a width has room for, each as wide as it is to be drawn.

    ``rows`` are those that are looked at for how wide a text has to be.
    """
    known = {column.title: column for column in _COLUMNS}
    chosen: list[str] = []
    left = width - _MARGIN + 1  # The first has no gap before it.
    for title in _IMPORTANCE:
        if left < known[title].width + 1:
            break
        chosen.append(title)
        left -= known[title].width + 1
    widths = {title: known[title].width for title in chosen}
    for column in (_SERVER, _ADDRESS, _TREND):
        if column.title in widths:
            more = min(left, max(0, _wanted(column, rows) - column.width))
            widths[column.title] += more
            left -= more
    return [replace(column, width=widths[column.title]) for column in _COLUMNS if column.title in widths]


def _wanted(column: Column, rows: Sequence[Row]) -> int:
    if column is _TREND:
        return column.most
    texts = (row.server or row.pool if column is _SERVER else _address_of(row) for row in rows)
    return min(column.most, max(map(cell_len, texts), default=0) + 2)


def _address_of(row: Row) -> str:
    return str(row.told["address"]) if row.server else row.algorithm


def heading(columns: Sequence[Column], sort: str, reverse: bool, signs: Signs) -> Line:
    """The line of headings; that which is sorted by has an arrow, down for the largest or the first on top."""
    arrow = signs.ascending if reverse else signs.descending
    line: Line = [(" " * _MARGIN, "bold")]
    for place, column in enumerate(columns):
        is_sorted = bool(column.sort) and column.sort == sort
        title = column.title
        if is_sorted:
            title = arrow + title if column.right else title + arrow
        line.append((_cell(title, column, place, signs), "bold underline" if is_sorted else "bold"))
    return line


def row_line(row: Row, columns: Sequence[Column], look: Look, is_selected: bool = False) -> Line:
    """A row of the table; the one that is selected is marked by a sign, and reversed."""
    line: Line = [(fitted(look.signs.cursor if is_selected else "", _MARGIN, look.signs), "")]
    for place, column in enumerate(columns):
        line.append((_cell(column.cell(row, column.width, look), column, place, look.signs), _style(row, column)))
    return [(text, f"{style} reverse".strip()) for text, style in line] if is_selected else line


def _cell(text: str, column: Column, place: int, signs: Signs) -> str:
    """A cell with the gap before it, which the arrow of a heading may stand in."""
    gap = 1 if place else 0
    if column.right:
        return fitted(text, column.width + gap, signs, right=True)
    return " " * gap + fitted(text, column.width, signs)


def _style(row: Row, column: Column) -> str:
    if not row.server:
        picked = sum(one.can_be_picked for one in row.servers) if column.title == "STATE" else len(row.servers)
        return "bold" if picked == len(row.servers) else "bold yellow" if picked else "bold red"
    if column.title == "STATE":
        return STATE_STYLES[row.state]
    if column.title == "FAIL/s" and row.rate is not None and row.rate.failures > 0:
        return "red"
    return "cyan" if column.title == _TREND.title else ""
