"""Sorting and filtering."""

from __future__ import annotations

import pytest

from deston.admin.top.rows import SORTS
from tests.unit.admin.top.readings import rows_of, server, told

READING = told(
    shop={
        "b": server(total=5, active=1, latency_ms=3.0, address="10.0.0.2:80"),
        "a": server(total=9, active=7, latency_ms=1.0, health="down"),
        "c": server(total=9, failures=2, active=3, admin="drain", bytes_out=8),
    },
    db={"p": server(health="unchecked", bytes_in=4, total=1)},
)


def names(sort: str, reverse: bool = False, text: str = "") -> str:
    return " ".join(row.server or row.pool for row in rows_of(READING, sort, reverse, text))


@pytest.mark.parametrize(
    ("sort", "reverse", "order"),
    [
        ("file", False, "shop b a c db p"),
        ("file", True, "db p shop c a b"),
        ("name", False, "db p shop a b c"),
        ("state", False, "shop a c b db p"),
        ("active", False, "shop a c b db p"),
        ("rate", False, "shop a c b db p"),
        ("failures", False, "shop c b a db p"),
        ("latency", False, "shop b a c db p"),
        ("in", False, "db p shop b a c"),
        ("out", True, "db p shop b a c"),
    ],
)
def test_servers_stay_below_their_pool(sort: str, reverse: bool, order: str) -> None:
    """Pools are sorted by what their servers are together."""
    assert names(sort, reverse) == order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", "shop b a c db p"), ("SHOP", "shop b a c"), ("shop/a", "shop a"), ("10.0.0.2", "shop b"),
        ("drain", "shop c"), ("shop down", "shop a"), ("nothing", ""),
    ],
)  # fmt: skip
def test_a_filter_looks_at_names_addresses_and_states(text: str, order: str) -> None:
    """Each word has to occur, and a pool without a server that fits is left out."""
    assert names("file", text=text) == order


def test_a_pool_is_the_sum_of_its_servers() -> None:
    """Those that a filter hides among them; its latency is the mean by what they carried."""
    shop = rows_of(READING, text="shop/a")[0]
    assert (shop.sum("active"), shop.sum("total")) == (11, 23)
    assert shop.latency_ms == pytest.approx((3.0 * 5 + 1.0 * 9) / 14)
    assert rows_of(READING)[4].latency_ms == 0


@pytest.mark.parametrize(
    ("said", "can"),
    [({}, True), ({"health": "unchecked"}, True), ({"health": "down"}, False), ({"admin": "maint"}, False),
     ({"weight": 0}, False)],
)  # fmt: skip
def test_who_can_be_picked(said: dict[str, object], can: bool) -> None:
    """A server that is ready, not down, and has a weight."""
    assert rows_of(told(a={"x": server(**said)}))[1].can_be_picked is can


def test_everything_can_be_sorted_before_rates_are_known() -> None:
    """No sort needs a second reading."""
    for sort in SORTS:
        assert len(rows_of(told(a={"x": server(), "y": server()}), sort)) == 3
