"""A panel of a plot as SVG: axes, lines, bars, a legend.

What lives here: scales, ticks, and the elements that they are drawn with.
What must not: what is drawn (``plot``).
Invariant: the text is whole XML without a script or a reference to anything outside, and the same for the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

#: Told apart also by those who see no red or no green (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places on paper: ``low`` lies at ``begin``, ``high`` at ``end``."""

    low: float
    high: float
    begin: float
    end: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies; one outside of the scale lies at its end."""
        low, high, value = (math.log(one) if self.is_logarithmic else one for one in (self.low, self.high, value))
        part = (value - low) / (high - low) if high > low else 0.5
        return self.begin + min(1.0, max(0.0, part)) * (self.end - self.begin)


@dataclass(frozen=True, slots=True)
class Panel:
    """A place on the paper with two axes; ``x`` and ``y`` run over it."""

    title: str
    x: Scale
    y: Scale

    def frame(self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> list[str]:
        """Title, axes and ticks, each tick a value with its text."""
        left, right, bottom, top = self.x.begin, self.x.end, self.y.begin, self.y.end
        elements = [text(left, top - 12, self.title, weight="bold")]
        for value, label in y_ticks:
            place = self.y.place(value)
            elements += [line(left, place, right, place, "#dddddd"), text(left - 6, place + 4, label, anchor="end")]
        for value, label in x_ticks:
            place = self.x.place(value)
            elements += [line(place, bottom, place, bottom + 4), text(place, bottom + 17, label, anchor="middle")]
        return [*elements, line(left, bottom, right, bottom), line(left, bottom, left, top)]

    def curve(self, points: Sequence[Point], colour: str) -> str:
        """A line through points."""
        places = " ".join(f"{self.x.place(x):.1f},{self.y.place(y):.1f}" for x, y in points)
        return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"/>'

    def bar(self, begin: float, end: float, value: float, colour: str) -> str:
        """A bar from the foot of the panel to a value, between two places of the x axis."""
        left, right, top = self.x.place(begin), self.x.place(end), self.y.place(value)
        height = self.y.begin - top
        return f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{height:.1f}" fill="{colour}"/>'


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str = "#333333") -> str:
    """A thin line between two places."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def legend(x: float, y: float, names: Sequence[str], width: float) -> list[str]:
    """Names with their colours, side by side, each in a column of this width."""
    elements = []
    for index, name in enumerate(names):
        left = x + index * width
        elements += [f'<rect x="{left:.1f}" y="{y - 9:.1f}" width="12" height="10" fill="{colour(index)}"/>']
        elements += [text(left + 17, y, name)]
    return elements


def colour(index: int) -> str:
    """The colour of the policy at this place in the table."""
    return COLOURS[index % len(COLOURS)]


def paper(width: int, height: int, title: str, elements: Sequence[str]) -> str:
    """The whole document."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' font-family="sans-serif" font-size="12" fill="#222222">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *elements,
            "</svg>\n",
        ]
    )


def linear_ticks(high: float, write: Callable[[float], str]) -> list[tuple[float, str]]:
    """Round values from 0 to ``high``, at most seven."""
    raw = high / 6 or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return [(index * step, write(index * step)) for index in range(int(high / step + 1e-9) + 1)]


def logarithmic_ticks(low: float, high: float, write: Callable[[float], str]) -> list[tuple[float, str]]:
    """1, 2 and 5 of each power of ten from ``low`` to ``high``; the powers alone where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return [(value, write(value)) for value in values if low * 0.999 <= value <= high * 1.001]
