"""When requests come, from whom, and how long they take.

What lives here: what arrivals are to the engine, and those that are made up: a Poisson process and its clients.
What must not: arrivals out of a log (``replay``), servers, policies.
Invariant: going through the same arrivals twice yields the same requests, so that every policy is given equal ones.
When they come does not depend on how long they take, nor on who sends them.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from deston.simulate.service_times import ServiceTime

#: When a request comes, in seconds from the beginning; the number of its client; how many seconds it takes a server.
Arrival = tuple[float, int, float]


class Arrivals(Protocol):
    """Requests in the order in which they come, as often as they are asked for."""

    @property
    def keys(self) -> Sequence[str]:
        """What hashing policies hash of each client, by its number."""
        ...

    @property
    def description(self) -> str:
        """What they are, in a few words."""
        ...

    @property
    def rate(self) -> float:
        """How many come a second, on average."""
        ...

    @property
    def seconds(self) -> float:
        """For how many seconds they come, about."""
        ...

    @property
    def work(self) -> float:
        """How many servers they keep busy, on average, one request at a time."""
        ...

    def __iter__(self) -> Iterator[Arrival]: ...


@dataclass(frozen=True, slots=True)
class Poisson:
    """Requests that know nothing of each other: the gaps between them are exponential.

    ``rate`` is in requests a second, ``skew`` the exponent of Zipf's law for how busy clients are: 0 is all alike.
    """

    rate: float
    service_time: ServiceTime
    keys: Sequence[str]
    skew: float
    seed: int

    @property
    def description(self) -> str:
        return f"Poisson arrivals at {self.rate:g}/s, service time {self.service_time.text}"

    @property
    def seconds(self) -> float:
        return math.inf

    @property
    def work(self) -> float:
        return self.rate * self.service_time.mean

    def __iter__(self) -> Iterator[Arrival]:
        gaps, services, clients = (random.Random(f"{self.seed} {what}") for what in ("gaps", "services", "clients"))
        gap, log, rate = gaps.random, math.log, self.rate
        draw, client = self.service_time.draw, _drawn_clients(len(self.keys), self.skew, clients)
        now = 0.0
        while True:
            now -= log(1.0 - gap()) / rate
            yield now, client(), draw(services)


@dataclass(frozen=True, slots=True)
class Cut:
    """The first of other arrivals: so many requests, and no longer than so many seconds; None is no bound."""

    whole: Arrivals
    requests: int | None = None
    seconds_at_most: float | None = None

    @property
    def keys(self) -> Sequence[str]:
        return self.whole.keys

    @property
    def description(self) -> str:
        return self.whole.description

    @property
    def rate(self) -> float:
        return self.whole.rate

    @property
    def seconds(self) -> float:
        bounds = [self.whole.seconds]
        if self.requests is not None:
            bounds.append(self.requests / self.whole.rate)
        if self.seconds_at_most is not None:
            bounds.append(self.seconds_at_most)
        return min(bounds)

    @property
    def work(self) -> float:
        return self.whole.work

    def __iter__(self) -> Iterator[Arrival]:
        left = math.inf if self.requests is None else self.requests
        end = math.inf if self.seconds_at_most is None else self.seconds_at_most
        for arrival in self.whole:
            if arrival[0] > end or left <= 0:
                return
            left -= 1
            yield arrival


def client_keys(count: int) -> tuple[str, ...]:
    """The addresses of so many clients, all different; at most 16 million."""
    return tuple(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(count))


def _drawn_clients(count: int, skew: float, rng: random.Random) -> Callable[[], int]:
    chance = rng.random
    if not skew:
        return lambda: int(chance() * count)
    sums = list(accumulate((number + 1) ** -skew for number in range(count)))
    total = sums[-1]
    return lambda: bisect(sums, chance() * total, hi=count - 1)
