"""What happens to servers meanwhile: ``a@60s`` dies or comes back, ``a@30s=5x`` gets slower.

What lives here: reading them.
What must not: what they do (``engine``).
Invariant: a disturbance names a server, a time from the beginning, and nothing that the pool would have to know.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass

from deston.config.report import did_you_mean
from deston.config.units import parse_duration
from deston.errors import CannotSimulate


class Kind(enum.Enum):
    """What happens to a server; the value is the option that asks for it."""

    KILL = "--kill"
    RECOVER = "--recover"
    SLOW = "--slow"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to which server after how many seconds; ``factor`` is how many times as long its work then takes."""

    kind: Kind
    server: str
    at: float
    factor: float = 1.0


def parse_moment(text: str, kind: Kind) -> Disturbance:
    """A server and a time such as ``a@60s``; raises ``CannotSimulate``, and ``UnitError`` for what is no duration."""
    server, at, when = text.rpartition("@")
    if not at or not server:
        raise CannotSimulate(f"{text!r} is not a server with a time (write a@60s)")
    return Disturbance(kind, server, parse_duration(when))


def parse_slow(text: str) -> Disturbance:
    """A server, a time and a factor such as ``a@30s=5x``; raises as ``parse_moment`` does."""
    moment, equals, factor = text.rpartition("=")
    if not equals:
        raise CannotSimulate(f"{text!r} does not say how slow (write a@30s=5x)")
    found = parse_moment(moment, Kind.SLOW)
    return Disturbance(Kind.SLOW, found.server, found.at, _factor(factor))


def require_servers(disturbances: Iterable[Disturbance], names: Iterable[str]) -> None:
    """Raise ``CannotSimulate`` for a disturbance of a server that there is not."""
    known = list(names)
    for one in disturbances:
        if one.server not in known:
            hint = did_you_mean(one.server, known) or f" (known: {_few(known)})"
            raise CannotSimulate(f"there is no server {one.server!r}{hint}", one.kind.value)


def _factor(text: str) -> float:
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = math.nan
    if not (0 < factor < math.inf):
        raise CannotSimulate(f"{text!r} is not how many times as slow (write 5x)")
    return factor


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 10 else f"{', '.join(names[:3])} … {names[-1]}"
