"""The plot of a simulation: how slow the slowest requests are, and what each server had.

What lives here: the panels, and what stands in each.
What must not: shapes on paper (``svg``), files.
Invariant: a policy has the same colour in every panel.
"""

from __future__ import annotations

from collections.abc import Sequence

from deston.simulate.results import Result
from deston.simulate.svg import (
    Panel,
    Point,
    Scale,
    colour,
    legend,
    linear_ticks,
    logarithmic_ticks,
    paper,
    text,
)
from deston.simulate.table import duration

_WIDTH, _HEIGHT = 960, 400
_TOP, _BOTTOM = 80, 345
_LEFT_PANEL, _RIGHT_PANEL = (70, 470), (550, 940)
# Bars of more servers than these are too thin: lines stand for them, from the server that had the least to the most.
_MOST_BARS = 24
_LEGEND_COLUMN = 145
_PERCENTS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
# The share of requests that are slower still, at the right end of the first panel.
_RAREST = 0.0001


def plot(title: str, results: Sequence[Result]) -> str:
    """An SVG of all policies; ``title`` says what was simulated."""
    elements = [text(20, 24, title, weight="bold"), *legend(20, 46, [one.algorithm for one in results], _LEGEND_COLUMN)]
    elements += _latencies(results)
    elements += _shares(results)
    return paper(max(_WIDTH, 40 + _LEGEND_COLUMN * len(results)), _HEIGHT, title, elements)


def _latencies(results: Sequence[Result]) -> list[str]:
    """Latency by percentile, where each ten times rarer is as wide: the tail is what policies differ in."""
    curves = [_curve(one) for one in results]
    seconds = [y for points in curves for _, y in points] or [0.001, 1.0]
    # Of the shortest tenth nobody wants to know more: it would take half of the panel.
    shortest = [one.latency.percentile(10) for one in results if one.latency.percentile(10) > 0]
    low, high = min([*shortest, max(seconds) / 2]), max(seconds) * 1.1
    panel = Panel("Latency by percentile of requests", _x_of_percentiles(), Scale(low, high, _BOTTOM, _TOP, True))
    x_ticks = [(_rarity(percent), f"{percent:g}%") for percent in _PERCENTS]
    elements = panel.frame(x_ticks, logarithmic_ticks(low, high, _tick))
    return elements + [panel.curve(points, colour(index)) for index, points in enumerate(curves) if points]


def _x_of_percentiles() -> Scale:
    return Scale(1.0, 1 / _RAREST, *_LEFT_PANEL, True)


def _rarity(percent: float) -> float:
    return 1 / max(_RAREST, 1 - percent / 100)


def _curve(result: Result) -> list[Point]:
    """Points a pixel apart at least: there may be thousands of steps."""
    scale, points, drawn, slower = _x_of_percentiles(), list[Point](), -1.0, 1.0
    for seconds, at_most in result.latency.steps():
        place = scale.place(1 / max(_RAREST, slower))
        if seconds > 0 and place - drawn >= 1:
            points.append((1 / max(_RAREST, slower), seconds))
            drawn = place
        slower = 1 - at_most / result.served
    return points


def _shares(results: Sequence[Result]) -> list[str]:
    columns = [one.over_even for one in results]
    count = len(columns[0])
    high = max([1.0, *(value for column in columns for value in column)]) * 1.05
    is_barred = count <= _MOST_BARS
    kind = "each server" if is_barred else "servers in order"
    x = Scale(0, count, *_RIGHT_PANEL)
    panel = Panel(f"Requests of {kind} (1 is an even share)", x, Scale(0, high, _BOTTOM, _TOP))
    names = [one.name for one in results[0].servers]
    x_ticks = [(index + 0.5, name) for index, name in enumerate(names)] if is_barred else linear_ticks(count, _whole)
    elements = panel.frame(x_ticks, linear_ticks(high, "{:g}".format))
    if not is_barred:
        sorted_columns = enumerate(map(sorted, columns))
        return elements + [panel.curve(list(enumerate(column)), colour(index)) for index, column in sorted_columns]
    width = 0.8 / len(columns)
    for index, column in enumerate(columns):
        begins = [number + 0.1 + index * width for number in range(count)]
        pairs = zip(begins, column, strict=True)
        elements += [panel.bar(begin, begin + width, value, colour(index)) for begin, value in pairs]
    return elements


def _tick(seconds: float) -> str:
    """A round duration without digits that say nothing."""
    number, _, unit = duration(seconds).partition(" ")
    return f"{float(number):g} {unit}"


def _whole(value: float) -> str:
    return f"{value:.0f}"
