"""What the file descriptors of a worker bear.

What lives here: how many clients are served at one time, and how many may wait without a greenlet besides.
What must not: who counts them (gunicorn, ``visit``).
Invariant: whoever is served takes two descriptors, and whoever was parked may be served again; a fifth of all stays
free for health checks, logs and idle connections to servers. No more are parked than a listener's clients are served.
"""

from __future__ import annotations

import resource
from typing import Final

_SHARE: Final = 0.8
# How many may be parked at the least, for each that is served.
_LEAST_PARKED: Final = 0.25
_EACH: Final = 2


def descriptors() -> int:
    """How many a process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_served(wanted: int, listeners: int, limit: int) -> int:
    """Clients that each of so many listeners serves at one time: ``wanted``, as far as ``limit`` descriptors last."""
    return max(1, min(wanted, int(limit * _SHARE / (1 + _LEAST_PARKED)) // _EACH // listeners))


def most_parked(served: int, listeners: int, limit: int) -> int:
    """Clients that may be parked, or have gone on from there: as many again, as far as descriptors are left."""
    left = int(limit * _SHARE) - served * listeners * _EACH
    return max(int(served * _LEAST_PARKED), min(served, left // _EACH))
