"""Figures that a process tells of itself beyond its servers' counts: what of, under which name, and in which ranges.

What lives here: the names of figures, the ranges of histograms, and the figures of pools.
What must not: the board, and how figures are shown (``admin.metrics``).
Invariant: a name is made of its kind and its labels; those that only grow begin with a sign that the board knows. The
number of figures follows from the configuration, never from what clients send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from deston.balancer.histogram import BOUNDS, Histogram
from deston.balancer.pool import Pool
from deston.balancer.registry import Registry

#: A figure: its name on the board, and its value in this process.
Figure = tuple[str, float]
Source = Callable[[], Iterable[Figure]]


def grows(kind: str, *labels: str) -> str:
    """The name of a figure that only grows."""
    return "+" + "|".join((kind, *labels))


def varies(kind: str, *labels: str) -> str:
    """The name of a figure that goes up and down."""
    return "|".join((kind, *labels))


def pool_figures(registry: Registry) -> Iterator[Figure]:
    """What there is to be told of pools."""
    for pool in registry:
        queue = pool.queue
        yield grows("pool_refused", pool.name), pool.refused
        yield grows("pool_retried", pool.name), pool.retried
        yield varies("pool_waiting", pool.name), len(queue.waiting)
        yield from _histogram("pool_queue", pool, queue.times)
        yield from _histogram("pool_first_byte", pool, pool.first_bytes)
        yield from _histogram("pool_total", pool, pool.totals)


def _histogram(kind: str, pool: Pool, histogram: Histogram) -> Iterator[Figure]:
    for bound, count in zip((*BOUNDS, float("inf")), histogram.counts, strict=True):
        if count:
            yield grows(kind, pool.name, f"{bound:g}"), count
    yield grows(f"{kind}_sum", pool.name), histogram.seconds
