"""Rates out of successive readings of what runs.

What lives here: what each server, each pool and all together carry in a second, and how that was lately.
What must not: where a reading comes from (``admin.status``), what it looks like (``view``), a clock.
Invariant: no rate is negative: a counter that fell began anew, and nothing is said of the time before. What is kept is
bounded, and nothing is kept of a server that left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: How many rates are kept of each server, pool and in total.
KEPT = 60

#: Pool and server; a pool as a whole has no server, and all together neither.
Name = tuple[str, str]
ALL: Name = ("", "")

_COUNTERS = ("total", "failures", "bytes_in", "bytes_out")


class Rate(NamedTuple):
    """What was carried in a second: leases that began, failures, and bytes from and to clients."""

    begun: float = 0.0
    failures: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0

    def plus(self, other: Rate) -> Rate:
        """Both together."""
        return Rate(*(one + another for one, another in zip(self, other, strict=True)))


class _Reading(NamedTuple):
    address: str
    counters: tuple[int, ...]


class Rates:
    """The rates since the last reading, and those before; ``kept`` is how many are remembered."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._at = 0.0
        self._last: dict[Name, _Reading] = {}
        self._now: dict[Name, Rate] = {}
        self._histories: dict[Name, deque[float]] = {}
        self._peaks: dict[str, float] = {}

    def add(self, told: Mapping[str, Any], at: float) -> None:
        """Take a reading: the value of ``admin.status.status``, read at the time ``at`` in seconds of any clock.

        One that is no later than the last is left out.
        """
        readings = dict(_readings(told))
        seconds = at - self._at
        if self._last and seconds <= 0:
            return
        self._now = {
            name: _rate(self._last[name].counters, reading.counters, seconds)
            for name, reading in readings.items()
            if name in self._last and self._last[name].address == reading.address
        }
        for (pool, _), rate in list(self._now.items()):
            for whole in ((pool, ""), ALL):
                self._now[whole] = self._now.get(whole, Rate()).plus(rate)
        self._last, self._at = readings, at
        self._remember({*readings, *((pool, "") for pool in told["pools"]), ALL})

    def _remember(self, names: Iterable[Name]) -> None:
        before, self._histories, self._peaks = self._histories, {}, {}
        for name in names:
            history = self._histories[name] = before.get(name) or deque(maxlen=self._kept)
            if name in self._now:
                history.append(self._now[name].begun)
            if name[1] and history:
                self._peaks[name[0]] = max(self._peaks.get(name[0], 0.0), *history)

    def rate(self, pool: str = "", server: str = "") -> Rate | None:
        """The rate of a server, of a pool, or of all; None where there is no second reading of it yet."""
        return self._now.get((pool, server))

    def history(self, pool: str = "", server: str = "") -> Sequence[float]:
        """How many leases began in a second, of a server, of a pool, or of all; the latest comes last."""
        return tuple(self._histories.get((pool, server), ()))

    def peak(self, pool: str) -> float:
        """The highest rate that is remembered of any server of a pool, so that servers can be compared."""
        return self._peaks.get(pool, 0.0)


def _readings(told: Mapping[str, Any]) -> Iterable[tuple[Name, _Reading]]:
    for pool, one in told["pools"].items():
        for server, said in one["servers"].items():
            yield (pool, server), _Reading(said["address"], tuple(said[counter] for counter in _COUNTERS))


def _rate(before: Sequence[int], now: Sequence[int], seconds: float) -> Rate:
    return Rate(*(max(0, new - old) / seconds for old, new in zip(before, now, strict=True)))
