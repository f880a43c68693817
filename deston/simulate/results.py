"""What came out of a simulation of one policy.

What lives here: the figures, for the pool and for each server.
What must not: how they are shown (``table``, ``plot``).
Invariant: every request is served, refused or failed, and counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deston.simulate.histogram import Histogram

#: The percentiles that are told.
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class ServerResult:
    """What one server did. ``busy`` is the share of the time that its hands were at work, times are in seconds."""

    name: str
    weight: int
    served: int
    share: float
    busy: float
    mean: float
    peak: int
    failures: int


@dataclass(slots=True)
class Result:
    """What a policy made of the arrivals. ``seconds`` is the time from the beginning to the last answer.

    ``latency`` is from a request's arrival to its answer, ``waiting`` the part of it in which nobody worked on it, be
    it in the pool's queue or in the server's line. ``refused`` got no server, ``failed`` had one that died, and then
    no other. ``moves`` are answers by another server than the client's last one, ``moved`` the clients that had any.
    """

    algorithm: str
    latency: Histogram = field(default_factory=Histogram)
    waiting: Histogram = field(default_factory=Histogram)
    queued: Histogram = field(default_factory=Histogram)
    requests: int = 0
    refused: int = 0
    failed: int = 0
    retried: int = 0
    moves: int = 0
    moved: int = 0
    clients: int = 0
    seconds: float = 0.0
    servers: Sequence[ServerResult] = ()

    @property
    def served(self) -> int:
        """How many requests were answered."""
        return self.latency.count

    @property
    def over_even(self) -> list[float]:
        """What each server had, as a multiple of what its weight is worth; 0 for one of no weight."""
        weights = sum(one.weight for one in self.servers)
        return [one.share * weights / one.weight if one.weight else 0.0 for one in self.servers]

    def as_json(self) -> dict[str, Any]:
        """All figures by name; times are in milliseconds."""
        return {
            "algorithm": self.algorithm,
            "requests": self.requests,
            "served": self.served,
            "refused": self.refused,
            "failed": self.failed,
            "retried": self.retried,
            "seconds": round(self.seconds, 3),
            "latency_ms": _figures(self.latency),
            "waiting_ms": _figures(self.waiting),
            "queue_ms": {"count": self.queued.count, **_figures(self.queued)},
            "clients": self.clients,
            "clients_moved": self.moved,
            "moves": self.moves,
            "servers": {one.name: _server(one) for one in self.servers},
        }


def _figures(histogram: Histogram) -> dict[str, float]:
    told = {f"p{percent:g}": histogram.percentile(percent) for percent in PERCENTILES}
    told = {"mean": histogram.mean, **told, "max": histogram.longest}
    return {name: _milliseconds(seconds) for name, seconds in told.items()}


def _server(one: ServerResult) -> dict[str, float]:
    return {
        "weight": one.weight,
        "served": one.served,
        "share": round(one.share, 6),
        "busy": round(one.busy, 6),
        "mean_ms": _milliseconds(one.mean),
        "peak": one.peak,
        "failures": one.failures,
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
