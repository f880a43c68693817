"""Token buckets, access lists and counts, each for many keys."""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston import limits
from deston.limits import AccessRules, Buckets, HostCounts, OpenByClient, client_of
from deston.tables import OpenTable, RateTable


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def nearly(value: object) -> object:
    """What is said of a bucket, but for what is lost to rounding."""
    return pytest.approx(value, abs=1e-4)


def test_access_rules() -> None:
    rules = AccessRules([ipaddress.ip_network("10.0.0.0/8")], [ipaddress.ip_network("10.9.0.0/16")])
    assert [rules.permit(host) for host in ("10.0.0.1", "10.9.0.1", "192.0.2.1", "")] == [True, False, False, True]
    assert not rules.is_trivial
    assert AccessRules((), ()).is_trivial


def test_a_bucket_says_what_is_left_and_what_is_missing() -> None:
    """A burst is there at first; afterwards tokens come with time, and never more than the burst."""
    clock = Clock()
    buckets = Buckets("x", 2.0, 3, clock)
    assert [buckets.take("a") for _ in range(4)] == nearly([2.0, 1.0, 0.0, -1.0])
    clock.now = 0.25
    assert buckets.take("a") == nearly(-0.5)
    clock.now = 0.5
    assert buckets.take("a") == nearly(0.0)
    clock.now = 1000.0
    assert buckets.take("a") == nearly(2.0)
    clock.now = 0.0
    assert buckets.take("a") >= 1.0, "a clock that goes back takes nothing away"


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=100))
def test_never_more_than_the_rate_and_one_burst(rate: float, burst: int, pauses: list[float]) -> None:
    """In any stretch of time no more are let through than the burst and what the rate gives."""
    clock = Clock()
    buckets = Buckets("x", rate, burst, clock)
    let_through = []
    for pause in pauses:
        clock.now += pause
        if buckets.take("a") >= 0:
            let_through.append(clock.now)
    for index, began in enumerate(let_through):
        for count, ended in enumerate(let_through[index:], 1):
            assert count <= burst + rate * (ended - began) + 2e-5


@given(rate=st.floats(0.5, 50), burst=st.integers(1, 10), asks=st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(rate: float, burst: int, asks: int) -> None:
    clock = Clock()
    buckets = Buckets("x", rate, burst, clock)
    for _ in range(asks):
        assert buckets.take("a") >= 0
        clock.now += 1.0001 / rate


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients come, one that has used up its rate is not forgotten."""
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 16)
    buckets = Buckets("x", 1, 3, Clock())
    assert [buckets.take("busy") for _ in range(4)] == nearly([2.0, 1.0, 0.0, -1.0])
    for number in range(1000):
        assert buckets.take(f"other {number}") >= 0
        assert buckets.take("busy") < 0


def test_what_is_open_is_counted_by_client() -> None:
    """A client may have so many; those that ended are forgotten."""
    counts = OpenByClient("x", 2)
    assert [counts.enter("a"), counts.enter("a"), counts.enter("a"), counts.enter("b")] == [True, True, False, True]
    counts.leave("a")
    assert counts.enter("a")
    for client in ("a", "a", "b", "b"):
        counts.leave(client)
    assert len(counts) == 0
    assert all(OpenByClient("x", 0).enter("a") for _ in range(10))


def test_a_mapped_address_is_the_address() -> None:
    """On a listener of IPv6 every client of IPv4 comes in this form, and each is one by itself."""
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1") != client_of("::FFFF:10.0.0.2")


def test_threads_lose_no_count() -> None:
    counts = OpenByClient("x", 0)

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


class Machine:
    """Tables that several processes have in common, and what each of them counts there."""

    def __init__(self, processes: int = 2) -> None:
        rates, opened = make_tables(processes + 1)
        places = range(1, processes + 1)
        self.counts = [HostCounts() for _ in places]
        for place, counts in zip(places, self.counts, strict=True):
            counts.share(rates, opened, place)
            counts.see(other for other in places if other != place)


def make_tables(parts: int) -> tuple[RateTable, OpenTable]:
    keys, open_keys, counts = (memoryview(bytearray(8 * 64 * parts)).cast("q") for _ in range(3))
    return RateTable(keys, memoryview(bytearray(8 * 64 * parts)).cast("d")), OpenTable(open_keys, counts, parts)


def test_a_rate_is_that_of_the_machine() -> None:
    """Wherever a client comes it has one bucket; one of another limit, or of a rate that was changed, is another."""
    clock, machine = Clock(), Machine()
    one, other = (Buckets("x", 1.0, 4, clock, counts) for counts in machine.counts)
    assert [bucket.take("a") >= 0 for bucket in (one, other, one, other, one, other)] == [True] * 4 + [False] * 2
    assert Buckets("y", 1.0, 4, clock, machine.counts[0]).take("a") >= 0
    assert Buckets("x", 2.0, 4, clock, machine.counts[0]).take("a") >= 0
    clock.now = 1.0
    assert [bucket.take("a") >= 0 for bucket in (other, one)] == [True, False]


def test_a_table_of_before_the_machine_began_locks_nobody_out() -> None:
    """What is further ahead than a bucket lasts can only be of another time, or of another key."""
    clock, machine = Clock(), Machine()
    clock.now = 1e6
    buckets = Buckets("x", 1.0, 2, clock, machine.counts[0])
    assert [buckets.take("a") >= 0 for _ in range(3)] == [True, True, False]
    clock.now = 5.0
    assert buckets.take("a") >= 0


def test_what_was_counted_alone_goes_with_it() -> None:
    """A process that begins to share forgets nothing: some requests come before that."""
    clock, counts, (rates, opened) = Clock(), HostCounts(), make_tables(2)
    buckets = Buckets("x", 1.0, 2, clock, counts)
    assert [buckets.take("a") >= 0 for _ in range(3)] == [True, True, False]
    counts.share(rates, opened, 1)
    assert buckets.take("a") < 0
    clock.now = 1.0
    assert buckets.take("a") >= 0


def test_what_is_open_is_counted_over_the_machine() -> None:
    machine = Machine()
    one, other = (OpenByClient("x", 3, counts) for counts in machine.counts)
    assert [where.enter("a") for where in (one, other, one, other, one)] == [True, True, True, False, False]
    assert other.enter("b")
    one.leave("a")
    assert other.enter("a")
    assert not one.enter("a")
    machine.counts[0].see(())
    assert one.enter("a"), "a process that is gone counts no more"


def test_what_was_open_before_is_told_to_a_new_table() -> None:
    """Also where there was no limit before: what comes then counts what there was."""
    mine, theirs = HostCounts(), HostCounts()
    kept = OpenByClient("x", 0, mine)
    assert kept.enter("a")
    kept.limit = 2
    rates, opened = make_tables(2)
    mine.share(rates, opened, 0)
    theirs.share(rates, opened, 1)
    theirs.see([0])
    other = OpenByClient("x", 2, theirs)
    assert [other.enter("a"), other.enter("a")] == [True, False]
    mine.alone()
    assert kept.enter("a")


@given(steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcdefghijkl"), st.booleans()), max_size=200))
def test_no_client_has_more_than_it_may(steps: list[tuple[int, str, bool]]) -> None:
    """Whoever comes and goes where: no more are let in than may be, and in the end nothing is counted."""
    machine = Machine()
    where = [OpenByClient("x", 2, counts) for counts in machine.counts]
    has: Counter[tuple[int, str]] = Counter()
    for process, client, comes in steps:
        if comes and where[process].enter(client):
            has[process, client] += 1
            assert has[0, client] + has[1, client] <= 2
        elif not comes and has[process, client]:
            where[process].leave(client)
            has[process, client] -= 1
    for process, client in has.elements():
        where[process].leave(client)
    assert all(one.enter(client) for one in where for client in "abcdefghijkl")
