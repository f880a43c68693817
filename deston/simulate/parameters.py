"""The types of the command's options.

What lives here: each text that an option may be, to its value, or to the reason why not.
What must not: what options mean together (``choices``).
Invariant: whatever is typed, it is a value or a refusal that names the option.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from deston.config.algorithms import ALGORITHMS, canonical_algorithm
from deston.config.report import did_you_mean
from deston.config.units import UnitError, parse_duration
from deston.errors import CannotSimulate
from deston.simulate.disturbances import Kind, parse_moment, parse_slow
from deston.simulate.scenario import MOST_SERVERS
from deston.simulate.service_times import parse_service_time

_HIGHEST_RATE = 1e7
_HIGHEST_SKEW = 10
_HIGHEST_WEIGHT = 65535
_SHORTEST_WAIT, _LONGEST_WAIT = 0.001, 3_600_000.0
_PLOT_ENDING = ".svg"


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # It is no generic in older releases.


class Parsed(_ParamType):
    """A type by the function that reads it, which raises ``CannotSimulate`` or ``UnitError``."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (CannotSimulate, UnitError) as error:
            self.fail(str(error), param, ctx)


def parse_rate(text: str) -> float:
    """Requests a second, such as ``800`` or ``800/s``; raises ``CannotSimulate``."""
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _HIGHEST_RATE:
        raise CannotSimulate(f"{text!r} is not a rate (write requests a second, above 0: 800)")
    return rate


def parse_skew(text: str) -> float:
    """The exponent of Zipf's law, from 0 to 10; raises ``CannotSimulate``."""
    try:
        skew = float(text)
    except ValueError:
        skew = math.nan
    if not 0 <= skew <= _HIGHEST_SKEW:
        raise CannotSimulate(f"{text!r} is not an exponent from 0 to {_HIGHEST_SKEW}")
    return skew


def parse_algorithm(text: str) -> str:
    """The name of a policy by any of its spellings, or ``module:factory``; raises ``CannotSimulate``."""
    known = text if ":" in text else canonical_algorithm(text)
    if known is None:
        hint = did_you_mean(text, ALGORITHMS) or f" (known: {', '.join(ALGORITHMS)})"
        raise CannotSimulate(f"unknown policy {text!r}{hint}")
    return known


def parse_weights(text: str) -> tuple[int, ...]:
    """Weights such as ``1,1,2``, one for each server; raises ``CannotSimulate``."""
    parts = [one.strip() for one in text.split(",")]
    if not all(one.isascii() and one.isdigit() and len(one) <= 5 and int(one) <= _HIGHEST_WEIGHT for one in parts):
        raise CannotSimulate(f"{text!r} are not weights (write numbers from 0 to {_HIGHEST_WEIGHT}: 1,1,2)")
    if len(parts) > MOST_SERVERS:
        raise CannotSimulate(f"there are at most {MOST_SERVERS} servers")
    return tuple(map(int, parts))


def parse_concurrency(text: str) -> tuple[int, ...]:
    """Requests at once, one number for all servers or one for each; raises ``CannotSimulate``."""
    parts = [one.strip() for one in text.split(",")]
    if not all(one.isascii() and one.isdigit() and len(one) <= 6 and int(one) > 0 for one in parts):
        raise CannotSimulate(f"{text!r} is not how many requests are worked on at once (write 4, or 4,4,2)")
    return tuple(map(int, parts))


def parse_seconds(text: str) -> float:
    """A duration above 0; raises ``CannotSimulate`` and ``UnitError``."""
    seconds = parse_duration(text)
    if seconds <= 0:
        raise CannotSimulate(f"{text!r} is no time at all")
    return seconds


def parse_wait(text: str) -> float:
    """``queue_timeout``, as long as it may be in the file; raises ``CannotSimulate`` and ``UnitError``."""
    seconds = parse_duration(text)
    if not _SHORTEST_WAIT <= seconds <= _LONGEST_WAIT:
        raise CannotSimulate(f"{text!r} is not from 1ms to 1000h")
    return seconds


def parse_factor(text: str) -> int:
    """``hash_balance_factor``: 0, or at least 100; raises ``CannotSimulate``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and (text == "0" or int(text) >= 100)):
        raise CannotSimulate(f"{text!r} is neither 0 nor a percentage of at least 100")
    return int(text)


def parse_plot(text: str) -> str:
    """The name of an SVG in a folder that can be written to; raises ``CannotSimulate``."""
    if not text.lower().endswith(_PLOT_ENDING):
        raise CannotSimulate(f"{text!r} does not end in {_PLOT_ENDING}: that is what can be drawn")
    # Better now than after the minutes that a run may take.
    if os.path.isdir(text) or not os.access(os.path.dirname(text) or ".", os.W_OK):
        raise CannotSimulate(f"{text} cannot be written")
    return text


RATE = Parsed("rate", parse_rate)
SKEW = Parsed("exponent", parse_skew)
SERVICE_TIME = Parsed("time", parse_service_time)
ALGORITHM = Parsed("policy", parse_algorithm)
CONCURRENCY = Parsed("number", parse_concurrency)
WEIGHTS = Parsed("weights", parse_weights)
DURATION = Parsed("time", parse_duration)
WAIT = Parsed("time", parse_wait)
SECONDS = Parsed("time", parse_seconds)
FACTOR = Parsed("percent", parse_factor)
PLOT = Parsed("file", parse_plot)
KILL = Parsed("server@time", lambda text: parse_moment(text, Kind.KILL))
RECOVER = Parsed("server@time", lambda text: parse_moment(text, Kind.RECOVER))
SLOW = Parsed("server@time=factor", parse_slow)
