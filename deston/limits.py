"""Limits on single clients: who may come, how often, and how many at once. Pure: the clock is handed in.

What lives here: access lists, token buckets, and counts of what is open, each for one client or another key.
What must not: what a client is told (``l4``, ``l7``), limits on all clients together.
Invariant: the tables are bounded, whatever keys come.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable

from deston.networks import AnyNetwork, Networks

# Keys whose rate is remembered, in each of two generations: about 20 MiB at the most.
MOST_REMEMBERED = 65536


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


class Buckets:
    """A token bucket for each key, in two generations: ``rate`` tokens a second, ``burst`` of them at the most.

    A full generation becomes the old one, and the one before it is forgotten: who comes again is moved to the young one
    with what it has used. So the table is bounded and never searched, and only a key that stayed away while as many
    others came as the table holds is given a full bucket again.
    """

    __slots__ = ("_burst", "_clock", "_old", "_rate", "_young")

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._young: dict[str, tuple[float, float]] = {}
        self._old: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Take a token if there is one: the tokens that are left.

        Where there is none, a negative number: how much was missing to one.
        """
        now = self._clock()
        tokens, since = self._young.get(key) or self._old.get(key) or (self._burst, now)
        # A clock that went back, as those of some virtual machines do, takes nothing away.
        tokens = min(self._burst, tokens + max(0.0, now - since) * self._rate)
        left = tokens - 1.0
        if key not in self._young and len(self._young) >= MOST_REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[key] = (tokens if left < 0 else left), now
        return left

    def __repr__(self) -> str:
        return f"<Buckets {len(self._young) + len(self._old)} keys>"


class OpenByClient:
    """How many things of each client are open; ``limit`` is how many may be, 0 for any number."""

    __slots__ = ("_lock", "_open", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()  # Requests may run in threads.
        self._open: dict[str, int] = {}

    def enter(self, client: str) -> bool:
        """Count one more, where there may be; whether there may."""
        with self._lock:
            count = self._open.get(client, 0)
            if 0 < self.limit <= count:
                return False
            self._open[client] = count + 1
            return True

    def leave(self, client: str) -> None:
        """Count the end of one that was counted."""
        with self._lock:
            left = self._open.get(client, 0) - 1
            if left > 0:
                self._open[client] = left
            else:
                self._open.pop(client, None)

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
