"""Limits on single clients: who may come, how often, and how many at once. Pure: the clock is handed in.

What lives here: access lists, token buckets, and counts of what is open, each for one client or another key.
What must not: what a client is told (``l4``, ``l7``), and where other processes' counts come from (``sharing``).
Invariant: the tables are bounded, whatever keys come; what they count is of the whole machine, as soon as it is shared.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol
from weakref import WeakSet

from deston.networks import AnyNetwork, Networks
from deston.tables import OpenTable, RateTable, fingerprint

# Keys whose rate is remembered by a process that counts for itself: 1 MiB.
MOST_REMEMBERED: Final = 65536
# A burst may bring so many times the connections of a second.
BURST: Final = 2


class AccessRules:
    """Whom lists of networks let in. A client on a unix socket has no address, and they are not about it."""

    __slots__ = ("_allow", "_deny", "is_trivial")

    def __init__(self, allow: Iterable[AnyNetwork], deny: Iterable[AnyNetwork]) -> None:
        self._allow, self._deny = Networks(allow), Networks(deny)
        #: Whether everybody is let in.
        self.is_trivial = not (self._allow or self._deny)

    def permit(self, host: str) -> bool:
        """Whether a client may come; a client that both lists name may not."""
        return not host or (host not in self._deny and (not self._allow or host in self._allow))

    def __repr__(self) -> str:
        return f"<AccessRules allow {self._allow!r} deny {self._deny!r}>"


class Counting(Protocol):
    """What counts open things."""

    def tell(self) -> None:
        """Tell other processes how many there are."""


class HostCounts:
    """Where the limits of this process count: for itself, or together with other processes of the machine.

    Places of other processes are handed in as they come and go.
    """

    def __init__(self) -> None:
        self.alone()
        #: Whoever waits for other processes to have fewer open: called from time to time.
        self.waiting: set[Callable[[], None]] = set()
        self._counting: WeakSet[Counting] = WeakSet()

    def alone(self) -> None:
        """Count for this process alone."""
        #: Until when each key has used up its rate; made when it is first needed.
        self._rates: RateTable | None = None
        self._open: OpenTable | None = None
        self._place = 0
        self._others: tuple[int, ...] = ()

    def share(self, rates: RateTable, opened: OpenTable, place: int) -> None:
        """Count in these tables, in the part of that number; what was counted alone goes with it."""
        before, self._rates, self._open, self._place = self._rates, rates, opened, place
        if before is not None:  # After the change: requests may run in other threads.
            rates.include(before)
        opened.clear(place)
        for one in self._counting:
            one.tell()

    def see(self, others: Iterable[int]) -> None:
        """These are the places of other processes now; whoever waits for them looks again."""
        self._others = tuple(others)
        for look in tuple(self.waiting):
            look()

    @property
    def rates(self) -> RateTable:
        """The table of rates."""
        if self._rates is None:
            memory = memoryview(bytearray(16 * MOST_REMEMBERED))
            self._rates = RateTable(memory[: 8 * MOST_REMEMBERED].cast("q"), memory[8 * MOST_REMEMBERED :].cast("d"))
        return self._rates

    def include(self, one: Counting) -> None:
        """Have what this one counts told to other processes from now on."""
        self._counting.add(one)
        one.tell()

    def put(self, key: int, count: int) -> None:
        """Tell how many things of a key are open here."""
        if self._open is not None:
            self._open.put(self._place, key, count)

    def elsewhere(self, key: int) -> int:
        """How many things of a key are open in other processes."""
        return self._open.sum(self._others, key) if self._open is not None and self._others else 0


def connection_rate(listener: str, per_second: int, clock: Callable[[], float], counts: HostCounts) -> Buckets | None:
    """The buckets of those who connect to a listener; None where they may come as often as they like."""
    return Buckets(f"connections of {listener}", per_second, per_second * BURST, clock, counts) if per_second else None


class Buckets:
    """A token bucket for each key: ``rate`` tokens a second, ``burst`` of them at the most.

    Buckets of the same name, rate and burst are the same, also after a reload and in other processes.
    """

    __slots__ = ("_burst", "_clock", "_counts", "_each", "_name")

    def __init__(
        self,
        name: str,
        rate: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        counts: HostCounts | None = None,
    ) -> None:
        self._name = f"{name}\0{rate:g}/{burst}"
        self._each = 1.0 / rate
        self._burst = burst
        self._clock = clock
        self._counts = counts or HostCounts()

    def take(self, key: str) -> float:
        """Take a token if there is one: the tokens that are left.

        Where there is none, a negative number: how much was missing to one.
        """
        return self._counts.rates.take(fingerprint(self._name, key), self._clock(), self._each, self._burst)

    def __repr__(self) -> str:
        return f"<Buckets of {self._name!r}>"


class OpenByClient:
    """How many things of each client are open; ``limit`` is how many may be on the machine, 0 for any number."""

    __slots__ = ("__weakref__", "_counts", "_is_told", "_limit", "_lock", "_name", "_open")

    def __init__(self, name: str, limit: int, counts: HostCounts | None = None) -> None:
        self._name = name
        self._counts = counts or HostCounts()
        self._lock = threading.Lock()  # Requests may run in threads.
        self._open: dict[str, int] = {}
        self._is_told = False
        self.limit = limit

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        if limit and not self._is_told:
            self._is_told = True  # Also when there is no limit any more, until the last has left.
            self._counts.include(self)

    def tell(self) -> None:
        """Tell other processes what is open."""
        with self._lock:
            for client, count in self._open.items():
                self._counts.put(fingerprint(self._name, client), count)

    def enter(self, client: str) -> bool:
        """Count one more, where there may be; whether there may."""
        with self._lock:
            count = self._open.get(client, 0) + 1
            if not self._is_told:
                self._open[client] = count
                return True
            key = fingerprint(self._name, client)
            # Told before it is looked for others: of two who come at the same moment both would be let in else.
            self._counts.put(key, count)
            if 0 < self._limit < count + self._counts.elsewhere(key):
                self._counts.put(key, count - 1)
                return False
            self._open[client] = count
            return True

    def leave(self, client: str) -> None:
        """Count the end of one that was counted."""
        with self._lock:
            left = self._open.get(client, 0) - 1
            if left > 0:
                self._open[client] = left
            else:
                self._open.pop(client, None)
            if self._is_told:
                self._counts.put(fingerprint(self._name, client), max(0, left))

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"<OpenByClient {len(self._open)} clients>"


def client_of(host: str) -> str:
    """What counts as one client: an IPv4 address, also where it is mapped, or the first 64 bits of an IPv6 one."""
    if ":" not in host:
        return host
    mapped = host.lower().removeprefix("::ffff:")
    if "." in mapped:
        return mapped
    return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
