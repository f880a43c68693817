"""What the parts of the soak tell one another.

What lives here: a failure that a client saw, what excuses one, and a fault that was done.
What must not: how faults are done, how clients find failures.
Invariant: times are seconds of the monotonic clock, which all processes of a machine share; a wrong answer has no
excuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TCP, UDP, HTTP, WS = "tcp", "udp", "http", "ws"
PROTOCOLS = (TCP, UDP, HTTP, WS)

# What clients see. ``BROKEN`` is a connection that ended before its answer was whole, and said so.
REFUSED, BROKEN, TIMEOUT, LOST, WRONG = "refused", "broken", "timeout", "lost", "wrong"
#: An answer of Deston's own: that it found no server, that one broke off, or that one was silent.
STATUSES = ("502", "503", "504")


class SoakError(Exception):
    """The soak itself cannot go on, in one sentence."""


@dataclass(frozen=True)
class Failure:
    """What a client saw: between ``began`` and ``at``, of which kind, and its own words on it."""

    protocol: str
    kind: str
    began: float
    at: float
    detail: str = ""

    @property
    def name(self) -> str:
        return f"{self.protocol} {self.kind}"


@dataclass(frozen=True)
class Excuse:
    """Kinds of failures of a protocol that a fault excuses.

    From its beginning until ``after`` seconds after its end, or after its beginning where it ``strikes`` only then.
    """

    protocol: str
    kinds: tuple[str, ...]
    after: float = 1.0
    strikes: bool = False


@dataclass
class Event:
    """A fault that was done to a target; ``ended`` is when it was undone, or None as long as it is not."""

    fault: str
    target: str
    began: float
    ended: float | None = None
    excuses: tuple[Excuse, ...] = field(default_factory=tuple)

    def covers(self, failure: Failure) -> bool:
        """Whether it excuses a failure."""
        return failure.kind != WRONG and any(self._reaches(one, failure) for one in self.excuses)

    def _reaches(self, excuse: Excuse, failure: Failure) -> bool:
        if excuse.protocol != failure.protocol or failure.kind not in excuse.kinds:
            return False
        last = self.began if excuse.strikes else self.ended
        is_over = last is not None and last + excuse.after < failure.began
        return self.began <= failure.at and not is_over
