"""Rates out of readings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deston.admin.top.rates import KEPT, Rate, Rates
from tests.unit.admin.top.readings import server, told


def test_two_readings_make_rates_of_servers_pools_and_all() -> None:
    """Per second, however long it was between them; one reading makes none."""
    rates = Rates()
    rates.add(told(a={"x": server(total=10), "y": server()}, b={"z": server()}), 5.0)
    assert rates.rate("a", "x") is None
    assert rates.rate() is None
    assert rates.history() == ()
    later = told(
        a={"x": server(total=30, failures=2, bytes_in=100, bytes_out=4000), "y": server(total=4)},
        b={"z": server(total=1)},
    )
    rates.add(later, 7.0)
    assert rates.rate("a", "x") == Rate(10, 1, 50, 2000)
    assert rates.rate("a") == Rate(12, 1, 50, 2000)
    assert rates.rate() == Rate(12.5, 1, 50, 2000)
    assert rates.history("a", "y") == (2.0,)
    assert rates.peak("a") == 10


def test_a_counter_that_fell_began_anew() -> None:
    """A board that was moved away, or a server at another address, makes no rate of what was before."""
    rates = Rates()
    rates.add(told(a={"x": server(total=1000), "y": server(total=50)}), 1.0)
    rates.add(told(a={"x": server(total=3), "y": server(total=900, address="127.0.0.1:9")}), 2.0)
    assert rates.rate("a", "x") == Rate()
    assert rates.rate("a", "y") is None
    rates.add(told(a={"x": server(total=5), "y": server(total=901, address="127.0.0.1:9")}), 3.0)
    assert rates.rate("a") == Rate(begun=3)


def test_a_reading_that_is_no_later_is_left_out() -> None:
    """Two readings at one moment have no time to divide by."""
    rates = Rates()
    for at, total in ((1.0, 0), (2.0, 4), (2.0, 900), (1.5, 1000)):
        rates.add(told(a={"x": server(total=total)}), at)
    assert rates.rate("a", "x") == Rate(begun=4)


def test_what_is_kept_is_bounded_and_goes_with_its_server() -> None:
    """The history of a server has an end, and none is kept of one that left."""
    rates = Rates()
    for second in range(KEPT + 10):
        rates.add(told(a={"x": server(total=second * second)}), float(second))
    history = rates.history("a", "x")
    assert len(history) == KEPT
    assert history[-1] == max(history) == rates.peak("a")
    rates.add(told(a={"y": server()}), 1000.0)
    assert rates.history("a", "x") == ()
    assert rates.peak("a") == 0


@given(st.lists(st.integers(0, 1 << 62), min_size=2, max_size=20))
def test_no_rate_is_negative(totals: list[int]) -> None:
    """Whatever a counter does."""
    rates = Rates()
    for second, total in enumerate(totals):
        rates.add(told(a={"x": server(total=total, bytes_in=total)}), float(second))
        assert min(rates.rate() or Rate()) >= 0
    assert min(rates.history("a", "x")) >= 0
