"""A whole frame: what is told of all, the table, the selected server, and the bottom line.

What lives here: which line stands where, and the words of the bottom line in each mode.
What must not: the columns (``view``), the terminal (``screen``), what keys do (``choices``).
Invariant: a frame has no more lines than the terminal, and each is as wide as the terminal at most.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from deston.admin.top.choices import Action, Choices, Mode
from deston.admin.top.figures import Signs, fitted, short, sparkline
from deston.admin.top.rates import KEPT, Rate, Rates
from deston.admin.top.rows import Row
from deston.admin.top.view import Line, Look, columns_for, heading, row_line

#: The lines of a frame that are not the table: three above it, two below.
AROUND = 5

_HELP = (
    "up down j k, page up, page down, home end: select a server",
    "s: sort by the next column      r: the other way round",
    "/: show only servers whose name, address or state has these words; escape: all",
    "d: drain (no new clients)     e: ready     m: maint (no clients, no checks)",
    "   each asks first, and counts in all processes, as `deston server drain` does",
    "q: quit",
    "",
    "STATE   of a pool: how many of its servers may be picked",
    "ACT     what is under way         RATE/s  what began in a second",
    "LATENCY smoothed                  IN OUT  bytes from and to clients",
    "TREND   RATE/s of late, to the scale of the pool",
    "*       changed at run time; `deston server reset POOL NAME` drops it",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read last: the value of ``admin.status.status``, and how often it is read, in words."""

    told: Mapping[str, Any]
    every: str


def make_frame(reading: Reading, rates: Rates, choices: Choices, signs: Signs, width: int, height: int) -> list[Line]:
    """All lines of a terminal of this size, in columns and lines; the table has the room that ``choices`` knows."""
    look = Look(signs, rates)
    rows = choices.visible
    columns = columns_for(width, choices.rows)
    table = [row_line(row, columns, look, row.name == choices.selected) for row in rows]
    if choices.mode is Mode.HELP:
        table = [[(fitted(f"  {text}", width, signs), "")] for text in _HELP][: choices.page]
    elif not table:
        why = "no server fits the filter (escape shows all)" if choices.filter else "no server"
        table = [[(fitted(f"  {why}", width, signs), "")]]
    head = [*head_lines(reading, rates, choices, signs, width), heading(columns, choices.sort, choices.reverse, signs)]
    blank: list[Line] = [[]] * max(0, height - len(head) - len(table) - 2)
    bottom = [_detail(choices, signs, width), _bottom(choices, signs, width)]
    return [*head, *table, *blank, *bottom][-height:] if height < AROUND else [*head, *table, *blank, *bottom]


def plain_lines(reading: Reading, rates: Rates, choices: Choices, signs: Signs, width: int) -> list[str]:
    """One frame as text: no selection, no bottom line, all rows."""
    look = Look(signs, rates)
    columns = columns_for(width, choices.rows)
    lines = [
        *head_lines(reading, rates, choices, signs, width),
        heading(columns, choices.sort, choices.reverse, signs),
        *(row_line(row, columns, look) for row in choices.rows),
    ]
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def head_lines(reading: Reading, rates: Rates, choices: Choices, signs: Signs, width: int) -> list[Line]:
    """The file and the workers, and below them what all pools carry together."""
    told = reading.told
    words, style = _workers(told)
    right = f"{words}{signs.between}{reading.every}"
    left = f"deston top{signs.between}{told['file']}"
    if choices.filter:
        shown = sum(1 for row in choices.rows if row.server)
        left = f"{shown} of {_server_count(told)} servers fit {choices.filter!r}{signs.between}{told['file']}"
    room = max(0, width - cell_len(right) - 2)
    first = [(fitted(left, room, signs), "bold"), (fitted(f"  {right}", width - room, signs), style)]
    return [first, _all(told, rates, signs, width)]


def _server_count(told: Mapping[str, Any]) -> int:
    return sum(len(pool["servers"]) for pool in told["pools"].values())


def _workers(told: Mapping[str, Any]) -> tuple[str, str]:
    workers = told["workers"]
    if not workers:
        return "no worker runs", "bold yellow"
    behind = sum(one["revision"] < told["revision"] for one in workers)
    words = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
    return (f"{words}, {behind} not yet told of the last change", "yellow") if behind else (words, "")


def _all(told: Mapping[str, Any], rates: Rates, signs: Signs, width: int) -> Line:
    rate = rates.rate()
    active = sum(one["active"] for pool in told["pools"].values() for one in pool["servers"].values())
    parts = [f"{short(active)} under way", *_rate_words(rate)]
    text = f"all: {signs.between.join(parts)}  "
    history = rates.history()
    room = min(KEPT, width - cell_len(text))
    if room < 8:
        return [(fitted(text, width, signs), "")]
    trend = sparkline(history, max(history, default=0.0), room, signs.heights)
    return [(text.ljust(width - room), ""), (trend, "cyan")]


def _rate_words(rate: Rate | None) -> list[str]:
    if rate is None:
        return ["rates follow"]
    return [
        f"{short(rate.begun)}/s",
        f"{short(rate.failures)} failures/s",
        f"in {short(rate.bytes_in, 1024)}/s",
        f"out {short(rate.bytes_out, 1024)}/s",
    ]


def _detail(choices: Choices, signs: Signs, width: int) -> Line:
    """What the table has no room for, of the selected server; or the warning of what is asked."""
    if choices.mode is Mode.CONFIRM and choices.action is not None and choices.action.warning:
        return [(fitted(f"! {choices.action.warning}", width, signs), "bold red")]
    if len(notice := _notice_lines(choices, width)) > 1:
        return [(fitted(notice[0], width, signs), _notice_style(choices))]
    row = choices.selected_row
    return [(fitted(_server_words(row, signs), width, signs) if row is not None else "", "")]


def _server_words(row: Row, signs: Signs) -> str:
    told = row.told
    check = told["check"]
    state = str(told["health"]) if row.state == told["health"] else f"{row.state}, {told['health']}"
    if check["reason"] and told["health"] == "down":
        state += f": {check['reason']}"
    if check["last"] is not None:
        state += f", checked {_ago(check['last'])} ago"
    parts = [f"{row.pool}/{row.server}", str(told["address"]), state, f"weight {told['weight']}"]
    parts += ["backup"] if told["backup"] else []
    parts.append(f"{told['failures']} of {told['total']} failed")
    return signs.between.join(parts)


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _bottom(choices: Choices, signs: Signs, width: int) -> Line:
    if choices.mode is Mode.FILTER:
        return [(fitted(f"filter: {choices.filter}_   enter keeps it, escape does not", width, signs), "bold")]
    if choices.mode is Mode.CONFIRM and choices.action is not None:
        return [(_question(choices.action, signs, width), "bold yellow")]
    if choices.mode is Mode.HELP:
        return [(fitted("any key goes back", width, signs), "bold")]
    if notice := _notice_lines(choices, width):
        return [(fitted(" ".join(notice[1:] or notice), width, signs), _notice_style(choices))]
    keys = f"q quit  ? help  d drain  e ready  m maint  / filter  s sort: {choices.sort}  r reverse"
    return [(fitted(keys, width, signs), "")]


def _notice_lines(choices: Choices, width: int) -> list[str]:
    """A notice that is too long for the bottom line takes the one above it, too; only the list shows any."""
    if choices.mode is not Mode.LIST or not choices.notice:
        return []
    return textwrap.wrap(f"error: {choices.notice}" if choices.is_error else choices.notice, width)


def _notice_style(choices: Choices) -> str:
    return "bold red" if choices.is_error else "bold"


def _question(action: Action, signs: Signs, width: int) -> str:
    """The question, whose end stays readable: it says which key does it."""
    end = " (y/n)"
    room = max(0, width - len(end))
    return fitted(fitted(action.question, min(room, cell_len(action.question)), signs) + end, width, signs)
