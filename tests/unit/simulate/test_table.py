from __future__ import annotations

import pytest

from deston.simulate.table import duration, percent, policy_lines, server_lines
from tests.unit.simulate.builders import make_result


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (0.0000123, "12.3 µs"),
        (0.0009996, "1.00 ms"),
        (0.0201, "20.1 ms"),
        (0.1234, "123 ms"),
        (1.5, "1.50 s"),
        (9.999, "10.0 s"),
        (4321.0, "4321 s"),
    ],
)
def test_a_duration_has_three_digits(seconds: float, text: str) -> None:
    """And the unit that fits."""
    assert duration(seconds) == text


def test_a_share_is_in_percent() -> None:
    """With one digit behind the point."""
    assert percent(0.1234) == "12.3%"


def test_policies_stand_side_by_side() -> None:
    """What never happened to any of them has no column."""
    lines = policy_lines([make_result("random", 0.01, 0.02, clients=4, moved=1), make_result("ip_hash", 0.02)])
    assert [line.split()[0] for line in lines] == ["policy", "random", "ip_hash"]
    assert "1 (25.0%)" in lines[1]
    assert "refused" not in lines[0]
    assert "refused" in policy_lines([make_result("random"), make_result("first", refused=7)])[0]
    assert len({len(line) for line in lines}) == 1


def test_few_servers_have_a_line_each() -> None:
    """With what each did."""
    lines = server_lines(make_result("random", 0.01, 0.02))
    assert [line.split()[0] for line in lines] == ["server", "a", "b"]
    assert lines[1].split() == ["a", "1", "1", "50.0%", "50.0%", "20.0", "ms", "3", "0"]


def test_of_many_servers_the_ends_and_the_middle_are_told() -> None:
    """A thousand lines would hide what they say."""
    lines = server_lines(make_result("random", servers=21))
    assert [line.split()[0] for line in lines] == ["server", "least", "median", "most"]
