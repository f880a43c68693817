from __future__ import annotations

import statistics

import pytest

from deston.config.units import UnitError
from deston.errors import CannotSimulate
from deston.simulate.service_times import parse_service_time
from tests.unit.simulate.builders import draws


@pytest.mark.parametrize("text", ["20ms", "exp:20ms", "lognormal:20ms,100ms"])
def test_what_is_drawn_has_the_mean_that_is_told(text: str) -> None:
    """The load is worked out from the mean, so it has to be that of the distribution."""
    service_time = parse_service_time(text)
    drawn = draws(service_time, 50_000)
    assert statistics.fmean(drawn) == pytest.approx(service_time.mean, rel=0.02)
    assert min(drawn) > 0


def test_a_time_alone_is_always_the_same() -> None:
    """``20ms`` is twenty milliseconds, with no chance in it."""
    assert set(draws(parse_service_time("20ms"), 10)) == {0.02}


def test_a_lognormal_time_has_the_percentiles_that_were_asked_for() -> None:
    """Median and 99th percentile are what people know of their services."""
    drawn = sorted(draws(parse_service_time("lognormal:20ms,100ms"), 50_000))
    assert drawn[25_000] == pytest.approx(0.02, rel=0.03)
    assert drawn[49_500] == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("uniform:20ms", "is no service time (write 20ms, exp:20ms or lognormal:20ms,100ms)"),
        (":20ms", "is no service time"),
        ("20ms,30ms", "is no service time"),
        ("lognormal:20ms", "is no service time"),
        ("0", "longer than nothing"),
        ("lognormal:20ms,10ms", "above its median"),
    ],
)
def test_what_is_no_service_time_is_refused(text: str, why: str) -> None:
    """The reason says how it is written."""
    with pytest.raises(CannotSimulate) as caught:
        parse_service_time(text)
    assert why in str(caught.value)


def test_a_duration_without_a_unit_is_refused_as_everywhere() -> None:
    """It is read as in the configuration."""
    with pytest.raises(UnitError, match="has no unit"):
        parse_service_time("exp:20")
