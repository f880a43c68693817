"""Rise, fall and the delay until the next check."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deston.balancer.server import Health
from deston.health.record import HealthRecord, vary

UP, DOWN, UNCHECKED = Health.UP, Health.DOWN, Health.UNCHECKED


def outcome(observations: str, start: Health, rise: int = 2, fall: int = 3) -> tuple[Health, int]:
    """The health after a row of observations (``+`` and ``-``), and how often it flipped on the way."""
    record = HealthRecord(rise, fall, start)
    flips = sum(record.observe(one == "+") for one in observations)
    return record.health, flips


@pytest.mark.parametrize(
    ("start", "observations", "health", "flips"),
    [
        (UNCHECKED, "", UNCHECKED, 0),
        (UNCHECKED, "+", UP, 1),
        (UNCHECKED, "-", DOWN, 1),
        (UP, "--", UP, 0),
        (UP, "---", DOWN, 1),
        (UP, "--+--", UP, 0),
        (UP, "--+---", DOWN, 1),
        (UP, "-+-+-+-+", UP, 0),
        (UP, "+++++", UP, 0),
        (DOWN, "+", DOWN, 0),
        (DOWN, "++", UP, 1),
        (DOWN, "+-+", DOWN, 0),
        (DOWN, "+-++", UP, 1),
        (UNCHECKED, "+---++", UP, 3),
    ],
)
def test_flips_after_rise_or_fall_in_a_row(start: Health, observations: str, health: Health, flips: int) -> None:
    """Two observations in a row bring a server up and three take it down; the first ever decides at once."""
    assert outcome(observations, start) == (health, flips)


@pytest.mark.parametrize("start", [UP, DOWN])
def test_rise_and_fall_of_one_follow_every_observation(start: Health) -> None:
    """With rise and fall of 1 the health is what was observed last."""
    assert outcome("+-", start, rise=1, fall=1)[0] is DOWN
    assert outcome("-+", start, rise=1, fall=1)[0] is UP


@pytest.mark.parametrize(
    ("start", "observations", "health"),
    [(UP, "-", DOWN), (DOWN, "+", UP), (UP, "+-", UP), (DOWN, "-+", DOWN), (DOWN, "+--", UP), (UP, "-++", UP)],
)
def test_the_first_observation_decides_over_hearsay(start: Health, observations: str, health: Health) -> None:
    """What another process knew last holds until the first observation, and only until then."""
    record = HealthRecord(2, 3, start, hearsay=True)
    assert (record.health, record.is_hearsay) == (start, True)
    for one in observations:
        record.observe(one == "+")
    assert (record.health, record.is_hearsay) == (health, False)


@given(
    observations=st.lists(st.booleans(), max_size=60),
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
)
def test_a_flip_is_a_run_of_observations_against(observations: list[bool], rise: int, fall: int) -> None:
    """After the first observation, a flip comes exactly when the latest ``rise`` or ``fall`` all spoke against."""
    record = HealthRecord(rise, fall)
    run: list[bool] = []
    for index, ok in enumerate(observations):
        before = record.health
        run = [*run, ok] if (before is UP) != ok else []
        expected = index == 0 or len(run) >= (fall if before is UP else rise)
        assert record.observe(ok) is expected
        if expected:
            assert record.health is (UP if ok else DOWN)
            run = []
        assert record.in_transition is bool(run)


@pytest.mark.parametrize(
    ("start", "observations", "seconds"),
    [
        (UNCHECKED, "", 2.0),
        (UP, "", 2.0),
        (UP, "-", 1.0),
        (UP, "-+", 2.0),
        (UP, "---", 5.0),
        (DOWN, "", 5.0),
        (DOWN, "+", 1.0),
        (DOWN, "++", 2.0),
    ],
)
def test_delay_follows_the_state(start: Health, observations: str, seconds: float) -> None:
    """At an interval of 2 s the next check comes after 2 s, in transition after 1 s, when down after 5 s."""
    record = HealthRecord(2, 3, start)
    for one in observations:
        record.observe(one == "+")
    assert record.next_delay(2.0, random.Random(1)) == pytest.approx(seconds, rel=0.1)


@given(seconds=st.floats(0.001, 1000), seed=st.integers())
def test_jitter_is_ten_percent(seconds: float, seed: int) -> None:
    """Jitter moves a delay by ten percent at most."""
    assert vary(seconds, random.Random(seed)) == pytest.approx(seconds, rel=0.1000001)


def test_jitter_is_even() -> None:
    """Jitter uses the whole range and has no tendency."""
    rng = random.Random(7)
    delays = [vary(1.0, rng) for _ in range(1000)]
    assert min(delays) < 0.91
    assert max(delays) > 1.09
    assert sum(delays) / len(delays) == pytest.approx(1.0, abs=0.01)


def test_repr_is_a_status_line() -> None:
    """A record shows its health and what speaks against it."""
    record = HealthRecord(2, 3, UP)
    record.observe(False)
    assert repr(record) == "<HealthRecord up 1 against>"
