"""Whether what clients, servers and Deston have counted adds up."""

from __future__ import annotations

import dataclasses

import pytest

from scripts.soak.model import TCP, UDP
from scripts.soak.totals import Numbers, gather, wrong_totals

GOOD = Numbers(TCP, "a", clients=1000, served=1003, total=1010, failures=2, active=0)


def said(killed: int = 0, **changes: object) -> str:
    return "; ".join(wrong_totals(dataclasses.replace(GOOD, **changes), killed, 100.0))  # type: ignore[arg-type]


def test_numbers_that_add_up_are_not_told() -> None:
    """Deston has at least what servers have, and they at least what clients have."""
    assert said() == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"active": 1}, "under way"),
        ({"clients": 1004}, "clients have more than the server"),
        ({"total": 999}, "Deston has less than the clients"),
        ({"total": 1001}, "Deston has less than the server"),
        ({"total": 2000}, "Deston has more than came"),
    ],
)
def test_what_does_not_add_up_is_told(changes: dict[str, object], expected: str) -> None:
    """Each way of it, in words."""
    assert expected in said(0, **changes)


def test_killed_workers_may_have_told_less() -> None:
    """What a worker had counted in its last moment is lost with it; what nobody lost is missed all the same."""
    assert said(1, total=990) == ""
    assert "even with 15" in said(1, total=900)


def test_datagrams_are_not_sessions() -> None:
    """A session may carry many datagrams, so a server has more of them than Deston has sessions."""
    assert said(0, pool=UDP, clients=10, served=5000, total=12) == ""


def test_numbers_are_gathered_by_pool_and_server() -> None:
    """Each server of each pool of `deston status`, also one that nobody used."""
    told = {"pools": {TCP: {"servers": {"a": {"total": 3, "failures": 1, "active": 0}}}}}
    assert gather(told, {"a": {TCP: 2}}, {"tcp a": 1}) == [Numbers(TCP, "a", 1, 2, 3, 1, 0)]
    assert gather(told, {}, {}) == [Numbers(TCP, "a", 0, 0, 3, 1, 0)]
