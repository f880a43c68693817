"""The bytes that clients and servers agree on.

What lives here: keys that name a request, and the bytes and their checksum that follow from a key.
What must not: sockets.
Invariant: a key is never used twice, so an answer that belongs to another client or request differs from its own.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
from collections.abc import Callable

# Mostly what fits a segment or a buffer, now and then what fits neither.
SIZES = (0, 1, 100, 1000, 4000, 20_000, 70_000, 250_000)
_WEIGHTS = (1, 1, 20, 20, 10, 5, 2, 1)


def body(key: str, size: int) -> bytes:
    """The ``size`` bytes that a key stands for."""
    return hashlib.shake_128(key.encode()).digest(size)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pick_size(rng: random.Random, most: int = SIZES[-1]) -> int:
    """A size of a body, in bytes, ``most`` at most."""
    return min(most, rng.choices(SIZES, _WEIGHTS)[0])


def keys(name: str) -> Callable[[], str]:
    """Makes keys that nobody else makes: of this process, of the client ``name``."""
    numbers = itertools.count(1)
    return lambda: f"{os.getpid()}-{name}-{next(numbers)}"
