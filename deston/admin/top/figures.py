"""Figures in a few characters.

What lives here: rates, bytes and latencies in at most five characters, sparklines, and text cut to a width.
What must not: which figure stands where (``view``).
Invariant: what is returned has the width that it says, whatever the figure; a text from outside cannot steer the
terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

#: Stands for what is not known.
UNKNOWN = "-"
_UNITS = ("", "k", "M", "G", "T", "P", "E")


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters that a terminal may lack: heights of a sparkline, marks of states, the ellipsis, a separator."""

    heights: str = "▁▂▃▄▅▆▇█"
    up: str = "✓"
    down: str = "✗"
    unchecked: str = "?"
    drain: str = "↓"
    maint: str = "‖"
    cursor: str = "▶"
    ellipsis: str = "…"
    between: str = " · "
    descending: str = "▾"
    ascending: str = "▴"

    def of_state(self, state: str) -> str:
        """The mark of a state."""
        return str(getattr(self, state))


UNICODE = Signs()
ASCII = Signs("_.:-=+*#", "+", "x", "?", "v", "!", ">", "~", ", ", "v", "^")


def signs_for(encoding: str) -> Signs:
    """The signs that can be written in an encoding."""
    try:
        "".join(getattr(UNICODE, name) for name in Signs.__slots__).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def short(figure: float | None, step: int = 1000) -> str:
    """A figure in at most five characters: ``0``, ``0.3``, ``12``, ``1.2k``, ``340M``; None is not known.

    ``step`` is what a unit is of the one below: 1000, or 1024 for bytes.
    """
    if figure is None:
        return UNKNOWN
    unit = 0
    while round(figure) >= 1000 and unit < len(_UNITS) - 1:
        figure /= step
        unit += 1
    if 0 < figure < 0.05 and unit == 0:
        return "<0.1"
    is_small = 0 < figure < 9.95 and (unit > 0 or round(figure, 1) != round(figure))
    return f"{figure:.1f}{_UNITS[unit]}" if is_small else f"{min(round(figure), 9999)}{_UNITS[unit]}"


def latency(milliseconds: float) -> str:
    """A latency in at most six characters: ``0.4ms``, ``35ms``, ``1.2s``; 0 is not known."""
    if milliseconds <= 0:
        return UNKNOWN
    if milliseconds < 9.95:
        return f"{milliseconds:.1f}ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f}s" if seconds < 99.95 else f"{min(seconds, 99999):.0f}s"


def sparkline(values: Sequence[float], peak: float, width: int, heights: str) -> str:
    """The latest ``width`` values as heights up to that of ``peak``; blank where there is none, lowest only for 0."""
    levels = len(heights) - 1
    drawn = "".join(
        heights[0] if value <= 0 or peak <= 0 else heights[min(levels, max(1, round(value / peak * levels)))]
        for value in values[max(0, len(values) - width) :]
    )
    return drawn.rjust(width)


def fitted(text: str, width: int, signs: Signs, right: bool = False) -> str:
    """A text in exactly ``width`` columns of a terminal, cut with an ellipsis where it is longer."""
    text = "".join(one if one.isprintable() else "?" for one in text)
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + signs.ellipsis if width > 0 else ""
    return " " * (width - length) + text if right else text + " " * (width - length)
