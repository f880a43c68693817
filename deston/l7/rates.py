"""Rates of requests: pure but for the clock.

What lives here: whose requests are counted together, and the fields that tell of the limit.
What must not: buckets (``deston.limits``), answers.
Invariant: a request is counted once by each limit that it comes to, and refused by the first that is used up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from deston.config.http_rules import RateKey, RateLimit
from deston.errors import TooManyRequests
from deston.l7.fields import Field, Named
from deston.limits import Buckets, HostCounts, client_of

# What a client may choose is cut to this length: it is a key of a table.
_LONGEST_KEY = 128


class Rate:
    """One limit; ``name`` is what clients are told it is called."""

    __slots__ = ("_buckets", "_config", "_name", "_policy", "_rate")

    def __init__(
        self,
        name: str,
        config: RateLimit,
        clock: Callable[[], float] = time.monotonic,
        counts: HostCounts | None = None,
        of: str = "",
    ) -> None:
        """``of`` is whose limit it is, where the name alone does not say it."""
        self._config = config
        self._rate = config.requests / config.seconds
        self._buckets = Buckets(f"requests of {of} {name}", self._rate, config.burst, clock, counts)
        self._name = name
        window = max(1, math.ceil(config.seconds))
        # draft-ietf-httpapi-ratelimit-headers-10.
        self._policy = (b"RateLimit-Policy", b'"%b";q=%d;w=%d' % (name.encode(), config.requests, window))

    def take(self, client: str, named: Named) -> list[Field]:
        """Count a request; the fields that tell of what is left. Raises ``TooManyRequests``."""
        left = self._buckets.take(self._key(client, named))
        if left < 0:
            wait = max(1, math.ceil(-left / self._rate))
            fields = (self._policy, self._told(0, wait), (b"Retry-After", b"%d" % wait))
            raise TooManyRequests(f"over the rate of {self._name}", fields)
        return [self._policy, self._told(int(left), math.ceil((self._config.burst - left) / self._rate))]

    def _told(self, left: int, seconds: int) -> Field:
        return b"RateLimit", b'"%b";r=%d;t=%d' % (self._name.encode(), left, seconds)

    def _key(self, client: str, named: Named) -> str:
        by = self._config.by
        if by is RateKey.ROUTE:
            return ""
        if by is RateKey.HEADER:
            values = named.get(self._config.header.encode())
            if values is not None:
                return "=" + values[0][:_LONGEST_KEY].decode("latin-1")
        return client_of(client) if client else "unix"
