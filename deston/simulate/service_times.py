"""How long servers work on a request: the distributions that can be asked for.

What lives here: reading ``20ms``, ``exp:20ms`` and ``lognormal:20ms,100ms``, and drawing from them.
What must not: when requests come, and which server gets them.
Invariant: what is drawn is above zero, in seconds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deston.config.units import parse_duration
from deston.errors import CannotSimulate

Draw = Callable[[random.Random], float]

#: How many standard deviations the 99th percentile of a normal variable lies above its median.
_NINETY_NINE = 2.3263478740408408
# No server is quicker than a nanosecond, and a time of nothing has no logarithm.
_SHORTEST = 1e-9

FORMS = "20ms, exp:20ms or lognormal:20ms,100ms"


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """A distribution of service times: as it was asked for, its mean in seconds, and how one is drawn."""

    text: str
    mean: float
    draw: Draw


def parse_service_time(text: str) -> ServiceTime:
    """A distribution as it is written on the command line.

    ``20ms`` is always the same, ``exp:20ms`` exponential with that mean, ``lognormal:20ms,100ms`` lognormal with that
    median and that 99th percentile. Raises ``CannotSimulate``, and ``UnitError`` for what is no duration.
    """
    name, colon, rest = text.rpartition(":")
    form = None if colon and not name else _FORMS.get(name)
    values = [parse_duration(one.strip()) for one in rest.split(",")] if form else []
    if form is None or len(values) != form[0]:
        raise CannotSimulate(f"{text!r} is no service time (write {FORMS})")
    if min(values) <= 0:
        raise CannotSimulate(f"{text!r}: a request takes longer than nothing")
    mean, draw = form[1](values)
    return ServiceTime(text, mean, draw)


def _constant(values: list[float]) -> tuple[float, Draw]:
    seconds = values[0]
    return seconds, lambda rng: seconds


def _exponential(values: list[float]) -> tuple[float, Draw]:
    mean, log = values[0], math.log
    return mean, lambda rng: -log(1.0 - rng.random()) * mean or _SHORTEST


def _lognormal(values: list[float]) -> tuple[float, Draw]:
    median, ninety_nine = values
    if ninety_nine <= median:
        raise CannotSimulate("the 99th percentile of a lognormal service time is above its median")
    middle = math.log(median)
    sigma = (math.log(ninety_nine) - middle) / _NINETY_NINE
    return math.exp(middle + sigma**2 / 2), lambda rng: math.exp(rng.gauss(middle, sigma))


#: How many durations each form has, and what makes its mean and its draw of them.
_FORMS: Mapping[str, tuple[int, Callable[[list[float]], tuple[float, Draw]]]] = {
    "": (1, _constant),
    "exp": (1, _exponential),
    "lognormal": (2, _lognormal),
}
