"""Bytes by listener: counted where they are carried, and told."""

from __future__ import annotations

from deston.figures import grows
from deston.traffic import Traffic, figures, traffic


def test_both_ways_are_told() -> None:
    """By listener; what was counted is never taken back."""
    traffic["told"].add(3, 5)
    traffic["told"].add(1, 0)
    told = dict(figures())
    assert told[grows("listener_received", "told")] == 4
    assert told[grows("listener_sent", "told")] == 5


def test_how_it_is_shown() -> None:
    counts = Traffic()
    counts.add(1, 2)
    assert repr(counts) == "<Traffic 1 received, 2 sent>"
