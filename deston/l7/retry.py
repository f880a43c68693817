"""What may be tried again: pure.

What lives here: the rule that decides on another try, and the budget that bounds how many there are.
What must not: the loop that tries (``exchange``), and which server comes next (the pool, by exclusion).
Invariant: nothing that a server may have acted on is sent twice unless its method is safe.
"""

from __future__ import annotations

from typing import Final

from deston.config.model import RetryCause
from deston.errors import (
    BadResponse,
    DestonError,
    ReadTimeout,
    Retry,
    StreamEnded,
    StreamError,
    StreamReset,
    WriteTimeout,
)

# defaults.md: after bytes were sent only these are tried again (safe methods of RFC 9110 section 9.2.1).
SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})

# A burst of failures, when a server dies with many exchanges in flight, should be absorbed; a lasting one should
# not multiply the load. So the share is of the last seconds, as in Finagle's budget, not of this instant.
BUDGET_SHARE: Final = 0.2
BUDGET_WINDOW: Final = 10.0
_HALF_WINDOW: Final = BUDGET_WINDOW / 2
BUDGET_FLOOR: Final = 3


# What ``retry_on`` calls the failures of a try that may have reached its server.
_CAUSES: Final[dict[type[DestonError], RetryCause]] = {
    StreamError: RetryCause.RESET,
    StreamReset: RetryCause.RESET,
    StreamEnded: RetryCause.RESET,
    ReadTimeout: RetryCause.TIMEOUT,
    WriteTimeout: RetryCause.TIMEOUT,
    BadResponse: RetryCause.MALFORMED,
}
DEFAULT_CAUSES: Final = frozenset({RetryCause.RESET})


def may_retry(
    error: DestonError,
    replayable: bool,
    tries: int,
    retries: int,
    budget: RetryBudget,
    now: float,
    causes: frozenset[RetryCause] = DEFAULT_CAUSES,
) -> bool:
    """Whether a failed try may be followed by one on another server.

    ``tries`` were made, ``retries`` are allowed beyond the first, and ``causes`` are the failures after which a request
    is replayed. A failed dial draws nothing from the budget: it reached no server, so that trying another one
    multiplies no work.
    """
    if tries > retries:
        return False
    if error.retry is Retry.ALWAYS:
        return True
    return replayable and _CAUSES.get(type(error)) in causes and budget.take(now)


class RetryBudget:
    """At most a fifth of the requests of the last ten seconds are tried again, and three in any case.

    Counts in two halves of a sliding window; times are seconds of one monotonic clock.
    """

    __slots__ = ("_began", "_recent", "_requests", "_retries")

    def __init__(self) -> None:
        self._began = 0.0
        self._requests = 0
        self._retries = 0
        self._recent = (0, 0)

    def request(self, now: float) -> None:
        """Count a request."""
        if now - self._began >= _HALF_WINDOW:
            self._slide(now)
        self._requests += 1

    def take(self, now: float) -> bool:
        """Whether one more retry fits; if so, it is counted."""
        self._slide(now)
        requests, retries = self._recent[0] + self._requests, self._recent[1] + self._retries
        fits = retries < max(BUDGET_FLOOR, requests * BUDGET_SHARE)
        self._retries += fits
        return fits

    def _slide(self, now: float) -> None:
        if now - self._began < _HALF_WINDOW:
            return
        self._recent = (self._requests, self._retries) if now - self._began < BUDGET_WINDOW else (0, 0)
        self._requests = self._retries = 0
        self._began = now
