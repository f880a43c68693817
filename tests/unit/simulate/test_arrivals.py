from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

from deston.simulate.arrivals import Cut, Poisson, client_keys
from deston.simulate.service_times import parse_service_time
from tests.unit.simulate.builders import SEED, make_arrivals


def test_every_policy_is_given_the_same_requests() -> None:
    """Going through them twice yields the same; another seed yields others."""
    arrivals = make_arrivals(100, 200)
    assert list(arrivals) == list(arrivals)
    assert list(arrivals) != list(make_arrivals(100, 200, seed=SEED + 1))


def test_when_requests_come_does_not_depend_on_how_long_they_take() -> None:
    """What differs between two service times is the service time alone."""
    one, other = make_arrivals(100, 200, "exp:20ms"), make_arrivals(100, 200, "lognormal:1ms,1s")
    assert [(at, client) for at, client, _ in one] == [(at, client) for at, client, _ in other]


def test_gaps_are_exponential() -> None:
    """In a Poisson process a share of 1/e of the gaps is longer than their mean."""
    times = [at for at, _, _ in make_arrivals(100, 50_000)]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert times[-1] == pytest.approx(500, rel=0.02)
    assert sum(gap > 0.01 for gap in gaps) / len(gaps) == pytest.approx(1 / math.e, rel=0.02)


def test_clients_are_alike_or_follow_zipf() -> None:
    """Without skew all come equally often; with 1 the first comes twice as often as the second."""
    alike = Counter(client for _, client, _ in make_arrivals(100, 50_000, clients=10))
    skewed = Counter(client for _, client, _ in make_arrivals(100, 50_000, clients=10, skew=1.0))
    assert alike[0] / alike[9] == pytest.approx(1, rel=0.1)
    assert skewed[0] / skewed[1] == pytest.approx(2, rel=0.1)
    assert skewed[0] / skewed[9] == pytest.approx(10, rel=0.2)


def test_arrivals_are_cut_by_number_and_by_time() -> None:
    """Whichever comes first ends them, and how long they last is known beforehand."""
    whole = Poisson(100, parse_service_time("20ms"), client_keys(5), 0.0, SEED)
    assert whole.seconds == math.inf
    by_number, by_time = Cut(whole, 50), Cut(whole, None, 3.0)
    assert len(list(by_number)) == 50
    assert by_number.seconds == 0.5
    assert all(at <= 3 for at, _, _ in by_time)
    assert len(list(by_time)) == pytest.approx(300, rel=0.2)
    assert Cut(whole, 1000, 3.0).seconds == 3.0
    assert by_number.work == pytest.approx(2)
    assert (by_number.rate, by_number.keys) == (100, whole.keys)
    assert by_number.description == "Poisson arrivals at 100/s, service time 20ms"


def test_clients_have_different_addresses() -> None:
    """As many keys as clients, also beyond one byte."""
    keys = client_keys(70_000)
    assert len(set(keys)) == 70_000
    assert keys[-1] == "10.1.17.111"
