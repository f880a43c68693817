"""Tables of what limits count, in memory that several processes may have in common.

What lives here: where a key stands, how rates and open things are counted there. Pure: the clock is handed in.
What must not: where the memory comes from (``limits``, ``store.limit_tables``), what is limited.
Invariant: nobody waits for anybody. A number is a cell that is written at once; two who write at the same moment may
lose one count of a rate, and never harm an entry for longer than a full burst takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# How far from its place a key is looked for.
WINDOW = 8
# What doubles lose of a token at the most, on a machine that has been up for a year.
_LOSS = 1e-5


def fingerprint(name: str, key: str) -> int:
    """The same number in all processes for a key of a limit, as a cell holds it, and never 0."""
    digest = hashlib.blake2b(f"{name}\0{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


class RateTable:
    """For each key, when its bucket will be full again: the whole of a token bucket in one number.

    This is the generic cell rate algorithm (ITU-T I.371, annex A). Where a window is full, the key whose bucket will be
    full first is forgotten: whoever is at its limit is kept, however many others come.
    """

    __slots__ = ("_full_at", "_keys", "_most")

    def __init__(self, keys: memoryview[int], full_at: memoryview[float]) -> None:
        self._keys = keys
        self._full_at = full_at
        self._most = len(keys) - WINDOW + 1

    def take(self, key: int, now: float, each: float, burst: int) -> float:
        """Take a token of a bucket of ``burst`` if there is one, where a new one comes ``each`` seconds: what is left.

        Where there is none, a negative number: how much was missing to one.
        """
        at, full_at = self._find(key)
        # What is further ahead than any bucket can be is of another key, or of before the machine began.
        if not now < full_at <= now + each * (burst + 1):
            full_at = now
        left = burst - 1 - (full_at - now) / each + _LOSS
        if left >= 0:
            self._keys[at] = key
            self._full_at[at] = full_at + each
        return left

    def include(self, other: RateTable) -> None:
        """Take over what was counted in another table."""
        for key, full_at in zip(other._keys.tolist(), other._full_at.tolist(), strict=True):
            if key:
                at, known = self._find(key)
                self._keys[at] = key
                self._full_at[at] = max(known, full_at)

    def _find(self, key: int) -> tuple[int, float]:
        """Where a key is to stand, and when its bucket will be full, 0.0 where it has none yet."""
        home = key % self._most
        window = self._keys[home : home + WINDOW].tolist()
        if key in window:
            at = home + window.index(key)
            return at, self._full_at[at]
        times = self._full_at[home : home + WINDOW].tolist()
        return home + times.index(min(times)), 0.0


class OpenTable:
    """How many things of each key are open, in a part for each process, which that one alone writes."""

    __slots__ = ("_counts", "_keys", "_most", "_slots")

    def __init__(self, keys: memoryview[int], counts: memoryview[int], parts: int) -> None:
        self._keys = keys
        self._counts = counts
        self._slots = len(keys) // parts
        self._most = self._slots - WINDOW + 1

    def put(self, part: int, key: int, count: int) -> None:
        """Say how many are open; where there is no room, it is not said."""
        home = part * self._slots + key % self._most
        window = self._keys[home : home + WINDOW].tolist()
        if key in window:
            self._counts[home + window.index(key)] = count
            return
        counts = self._counts[home : home + WINDOW].tolist()
        if 0 in counts and count:
            at = home + counts.index(0)
            self._keys[at] = key
            self._counts[at] = count

    def sum(self, parts: Iterable[int], key: int) -> int:
        """How many are open in these parts together."""
        found = 0
        place = key % self._most
        for part in parts:
            home = part * self._slots + place
            window = self._keys[home : home + WINDOW].tolist()
            if key in window:
                found += self._counts[home + window.index(key)]
        return found

    def clear(self, part: int) -> None:
        """Forget all that was said in a part."""
        begin, empty = part * self._slots, memoryview(bytes(8 * self._slots)).cast("q")
        self._counts[begin : begin + self._slots] = empty
        self._keys[begin : begin + self._slots] = empty
