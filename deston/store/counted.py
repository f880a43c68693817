"""What stands on the board, as values.

What lives here: what a worker counts of a server, what a check found of one, and what a worker tells of itself.
What must not: where and how they are kept (``board``).
Invariant: counts of several workers can be summed in any order.
"""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """What was carried to a server.

    ``latency`` is smoothed, in seconds; ``marked`` until when it is left out for its failures, in seconds of the
    monotonic clock, and ``refusal`` why it is not (a place in ``health.passive.REFUSALS``).
    """

    active: int = 0
    total: int = 0
    failures: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    latency: float = 0.0
    marked: float = 0.0
    refusal: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together; the latency is that of whoever has seen more."""
        latency = self.latency if self.total >= other.total else other.latency
        return Counts(
            self.active + other.active,
            self.total + other.total,
            self.failures + other.failures,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            latency or other.latency,
            max(self.marked, other.marked),
            self.refusal or other.refusal,
        )

    def without_present(self) -> Counts:
        """What stays true when the process that counted is gone."""
        return self._replace(active=0, marked=0.0, refusal=0)


class Found(NamedTuple):
    """What the last check found: 0 is unchecked, 1 up, 2 down; ``at`` is in seconds since the epoch.

    ``checks`` and ``failed`` count all and those that failed, ``flips`` the changes of health, ``seconds`` is how long
    the last one took.
    """

    health: int = 0
    at: float = 0.0
    reason: str = ""
    checks: int = 0
    failed: int = 0
    flips: int = 0
    seconds: float = 0.0


class WorkerPlace(NamedTuple):
    """A worker: its process and when that began, the revision of the store that it has applied, and its last beat.

    The beat is in seconds of the monotonic clock, which all processes of a machine have in common.
    """

    place: int
    process: int
    began: int
    revision: int
    at: float
