"""How many clients the descriptors of a worker bear."""

from __future__ import annotations

import pytest

from deston.l7.descriptors import most_parked, most_served


@pytest.mark.parametrize(
    ("wanted", "listeners", "limit", "expected"),
    [
        (1000, 1, 1_048_576, 1000),
        (1000, 1, 1024, 327),
        (1000, 2, 1024, 163),
        (10_000, 1, 16_384, 5242),
        (1000, 1, 1, 1),
    ],
)
def test_served_are_as_many_as_are_wanted_and_can_be(wanted: int, listeners: int, limit: int, expected: int) -> None:
    assert most_served(wanted, listeners, limit) == expected


@pytest.mark.parametrize("listeners", [1, 2, 5])
@pytest.mark.parametrize("limit", [64, 1024, 16_384, 1_048_576])
@pytest.mark.parametrize("wanted", [100, 1000, 10_000])
def test_all_together_leave_a_fifth(wanted: int, limit: int, listeners: int) -> None:
    """Whoever is parked may have two, too, once it goes on; and some may always be parked."""
    served = most_served(wanted, listeners, limit)
    parked = most_parked(served, listeners, limit)
    assert 2 * (served * listeners + parked) <= limit * 0.8
    assert served // 4 <= parked <= served


def test_as_many_are_parked_as_are_served() -> None:
    """Where there are descriptors enough, and no more, so that the limit bounds memory; else those that are left."""
    assert most_parked(1000, 1, 1_048_576) == 1000
    assert most_parked(4000, 1, 16_384) == (13_107 - 8000) // 2
