"""What is under way as a table.

What lives here: its columns, and how wide each of them is.
What must not: what stands in it (``asked``).
Invariant: a line has ``width`` columns at most, 100 at least, whatever names there are, and nothing that a client said
can steer the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from deston.admin.top.figures import UNICODE, Signs, fitted, short

NARROWEST = 100
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


class _Column(NamedTuple):
    """A column: its heading, its cell of a session, how wide it may become, and whether it stands to the right."""

    heading: str
    cell: Callable[[dict[str, Any]], str]
    most: int
    right: bool = False


_COLUMNS = (
    _Column("id", lambda one: one["id"], 14),
    _Column("kind", lambda one: one["kind"], 6),
    _Column("listener", lambda one: one["listener"], 10),
    _Column("client", lambda one: one["client"], 21),
    _Column("pool/server", lambda one: f"{one['pool']}/{one['server']}" if one["server"] else "-", 16),
    _Column("age", lambda one: lasted(one["age"]), 5, True),
    _Column("in", lambda one: short(one["bytes_in"], 1024), 5, True),
    _Column("out", lambda one: short(one["bytes_out"], 1024), 5, True),
)


def lasted(seconds: float) -> str:
    """A time in at most five characters: ``0.4s``, ``35s``, ``12m``, ``3.5h``, ``12d``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f}s" if seconds < 9.95 else f"{min(seconds, 59):.0f}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f}m"
    return f"{seconds / _HOUR:.1f}h" if seconds < _DAY else f"{min(seconds // _DAY, 9999):.0f}d"


def table(told: dict[str, Any], width: int = NARROWEST, signs: Signs = UNICODE) -> Iterator[tuple[str, str]]:
    """The lines of a table, each with its colour, empty for none; what a session is about gets what room is left."""
    width = max(width, NARROWEST)
    sessions = told["sessions"]
    rows = [[column.cell(one) for column in _COLUMNS] for one in sessions]
    widths = [
        min(column.most, max(map(len, (column.heading, *(row[index] for row in rows)))))
        for index, column in enumerate(_COLUMNS)
    ]
    left = width - sum(widths) - len(widths)
    headings = [column.heading for column in _COLUMNS]
    for cells, about in zip((headings, *rows), ("about", *(one["about"] for one in sessions)), strict=True):
        parts = [
            fitted(cell, size, signs, column.right) for cell, size, column in zip(cells, widths, _COLUMNS, strict=True)
        ]
        yield " ".join([*parts, fitted(about, min(left, len(about)), signs)]).rstrip(), ""
    yield _sum(told), ""
    for one in told["unanswered"]:
        yield f"process {one['process']} is not in it: {one['reason']}"[:width], "yellow"


def _sum(told: dict[str, Any]) -> str:
    shown, total = len(told["sessions"]), told["total"]
    more = f", {shown} of them shown; --limit shows more" if shown < total else ""
    return f"under way: {total}{more}"
