"""Who was picked how often, whether that is right, and chance that a test can foresee.

What lives here: counting, exact shares, the one statistical test of shares, and a scripted source of chance.
What must not: policies and pools of its own.
Invariant: with a fixed seed a test of chance is repeatable, so that it fails always or never.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle

from deston.balancer.server import Server


def client_keys(count: int) -> list[str]:
    """``count`` different client addresses, without ports."""
    return [f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}" for index in range(count)]


def count_picks(pick: Callable[[str], Server], keys: Iterable[str]) -> Counter[str]:
    """How often each server, by name, was picked for these clients."""
    return Counter(pick(key).name for key in keys)


def exact_shares(servers: Sequence[Server], picks: int) -> dict[str, int]:
    """What each server, by name, gets of ``picks`` if all is exactly by weight."""
    total = sum(server.weight for server in servers)
    return {server.name: picks * server.weight // total for server in servers}


def fits_weights(counts: Counter[str], servers: Sequence[Server]) -> bool:
    """Whether counts are as chance by weight would have them.

    Pearson's chi-square against its mean (the degrees of freedom, k) plus five standard deviations (the square
    root of 2k): a right policy fails that for less than one seed in two hundred, and seeds are fixed.
    """
    picks, total = sum(counts.values()), sum(server.weight for server in servers)
    expected = {server.name: picks * server.weight / total for server in servers}
    chi_square = sum((counts[name] - value) ** 2 / value for name, value in expected.items())
    freedom = len(servers) - 1
    return counts.keys() <= expected.keys() and chi_square < freedom + 5 * math.sqrt(2 * freedom)


class ScriptedRandom(random.Random):
    """Chance that is known beforehand: ``values``, from 0 up to but not including 1, come round and round."""

    def __new__(cls, values: Iterable[float]) -> ScriptedRandom:
        return super().__new__(cls)  # Python 3.10 would take the values for a seed.

    def __init__(self, values: Iterable[float]) -> None:
        super().__init__(0)
        self._values = cycle(values)

    def random(self) -> float:
        return next(self._values)
