from __future__ import annotations

import pytest

from deston.config.units import UnitError
from deston.errors import CannotSimulate
from deston.simulate.disturbances import Disturbance, Kind, parse_moment, parse_slow, require_servers


def test_a_moment_is_a_server_and_a_time() -> None:
    """The last @ counts: a server's name may have one."""
    assert parse_moment("a@60s", Kind.KILL) == Disturbance(Kind.KILL, "a", 60.0)
    assert parse_moment("a@10.0.0.1@1.5m", Kind.RECOVER) == Disturbance(Kind.RECOVER, "a@10.0.0.1", 90.0)


def test_slow_has_a_factor() -> None:
    """With or without the x."""
    assert parse_slow("a@30s=5x") == parse_slow("a@30s=5") == Disturbance(Kind.SLOW, "a", 30.0, 5.0)


@pytest.mark.parametrize("text", ["a", "@60s", "", "60s"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The reason says how it is written."""
    with pytest.raises(CannotSimulate, match="write a@60s"):
        parse_moment(text, Kind.KILL)


@pytest.mark.parametrize("text", ["a@30s", "a@30s=", "a@30s=fast", "a@30s=0x", "a@30s=-1x", "a@30s=nan", "a@30s=inf"])
def test_what_is_not_slow_is_refused(text: str) -> None:
    """A factor is a number above 0."""
    with pytest.raises(CannotSimulate, match="slow"):
        parse_slow(text)


def test_a_time_without_a_unit_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(UnitError, match="has no unit"):
        parse_moment("a@60", Kind.KILL)


def test_a_server_that_there_is_not_is_told_with_the_nearest() -> None:
    """The error names the option."""
    names = ["web1", "web2"]
    require_servers([Disturbance(Kind.KILL, "web1", 1.0)], names)
    with pytest.raises(CannotSimulate, match="no server 'wev1' \\(did you mean 'web1'\\?\\)") as caught:
        require_servers([Disturbance(Kind.SLOW, "wev1", 1.0, 2.0)], names)
    assert caught.value.option == "--slow"


def test_of_many_servers_a_few_are_named() -> None:
    """A thousand names would help nobody."""
    with pytest.raises(CannotSimulate, match="known: s0, s1, s2 … s999"):
        require_servers([Disturbance(Kind.KILL, "?", 1.0)], [f"s{number}" for number in range(1000)])
