"""Token buckets, access lists and counts, each for many keys."""

from __future__ import annotations

import ipaddress
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import limits
from deston.limits import AccessRules, Buckets, OpenByClient, client_of


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_access_rules() -> None:
    rules = AccessRules([ipaddress.ip_network("10.0.0.0/8")], [ipaddress.ip_network("10.9.0.0/16")])
    assert [rules.permit(host) for host in ("10.0.0.1", "10.9.0.1", "192.0.2.1", "")] == [True, False, False, True]
    assert not rules.is_trivial
    assert AccessRules((), ()).is_trivial


def test_a_bucket_says_what_is_left_and_what_is_missing() -> None:
    """A burst is there at first; afterwards tokens come with time, and never more than the burst."""
    clock = Clock()
    buckets = Buckets(2.0, 3, clock)
    assert [buckets.take("a") for _ in range(4)] == [2.0, 1.0, 0.0, -1.0]
    clock.now = 0.25
    assert buckets.take("a") == -0.5
    clock.now = 0.5
    assert buckets.take("a") == 0.0
    clock.now = 1000.0
    assert buckets.take("a") == 2.0
    clock.now = 0.0
    assert buckets.take("a") == 1.0, "a clock that goes back takes nothing away"


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=100))
def test_never_more_than_the_rate_and_one_burst(rate: float, burst: int, pauses: list[float]) -> None:
    """In any stretch of time no more are let through than the burst and what the rate gives."""
    clock = Clock()
    buckets = Buckets(rate, burst, clock)
    let_through = []
    for pause in pauses:
        clock.now += pause
        if buckets.take("a") >= 0:
            let_through.append(clock.now)
    for index, began in enumerate(let_through):
        for count, ended in enumerate(let_through[index:], 1):
            assert count <= burst + rate * (ended - began) + 1e-6


@given(rate=st.floats(0.5, 50), burst=st.integers(1, 10), asks=st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(rate: float, burst: int, asks: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, burst, clock)
    for _ in range(asks):
        assert buckets.take("a") >= 0
        clock.now += 1.0001 / rate


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients come, two generations are remembered; one that keeps coming is not forgotten."""
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 10)
    buckets = Buckets(1, 2, Clock())
    assert [buckets.take("busy") for _ in range(3)] == [1.0, 0.0, -1.0]
    for number in range(1000):
        buckets.take(f"other {number}")
        if number % 9 == 0:
            assert buckets.take("busy") < 0
    assert len(buckets._young) + len(buckets._old) <= 20


def test_what_is_open_is_counted_by_client() -> None:
    """A client may have so many; those that ended are forgotten."""
    counts = OpenByClient(2)
    assert [counts.enter("a"), counts.enter("a"), counts.enter("a"), counts.enter("b")] == [True, True, False, True]
    counts.leave("a")
    assert counts.enter("a")
    for client in ("a", "a", "b", "b"):
        counts.leave(client)
    assert len(counts) == 0
    assert all(OpenByClient(0).enter("a") for _ in range(10))


def test_a_mapped_address_is_the_address() -> None:
    """On a listener of IPv6 every client of IPv4 comes in this form, and each is one by itself."""
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1") != client_of("::FFFF:10.0.0.2")


def test_threads_lose_no_count() -> None:
    counts = OpenByClient(0)

    def come_and_go() -> None:
        for _ in range(2000):
            counts.enter("a")
            counts.leave("a")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert len(counts) == 0
