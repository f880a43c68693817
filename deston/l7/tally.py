"""What this process has answered and refused: how often each status, and each reason, by listener.

What lives here: the counts, and what is told of them.
What must not: lines of an access log (``record``).
Invariant: counts outlive a reload, and cost a look into two dictionaries for each request.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from deston.figures import Figure, grows, varies
from deston.l7.answers import answered
from deston.l7.cache import connection_cache
from deston.traffic import figures as traffic_figures

Statuses = defaultdict[int, int]

_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_by_listener: Final[dict[str, Statuses]] = {}
_refused: Final[dict[str, Counter[str]]] = {}


def statuses_of(listener: str) -> Statuses:
    """How often each status was answered at a listener."""
    return _by_listener.setdefault(listener, defaultdict(int))


def refusals_of(listener: str) -> Counter[str]:
    """How often clients of a listener were refused, by the name of the error, or in words."""
    return _refused.setdefault(listener, Counter())


def figures() -> Iterator[Figure]:
    """What there is to be told."""
    for listener, reasons in _refused.items():
        for reason, count in list(reasons.items()):
            yield grows("listener_refused", listener, _CAPITAL.sub(" ", reason).lower()), count
    for listener, statuses in _by_listener.items():
        for first in range(1, 10):
            count = sum(count for status, count in list(statuses.items()) if status // 100 == first)
            if count:
                yield grows("listener_responses", listener, f"{first}xx"), count
    yield from traffic_figures()
    for own, count in list(answered.items()):
        yield grows("own_answers", str(own)), count
    cache = connection_cache()
    yield grows("cache_reused"), cache.reused
    yield grows("cache_stale"), cache.stale
    yield varies("cache_idle"), len(cache)
