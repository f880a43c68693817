"""What this process has answered: how often each status, by listener.

What lives here: the counts, and what is told of them.
What must not: lines of an access log (``record``).
Invariant: counts outlive a reload, and cost a look into two dictionaries for each request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deston.figures import Figure, grows, varies
from deston.l7.answers import answered
from deston.l7.cache import connection_cache

Statuses = defaultdict[int, int]

_by_listener: dict[str, Statuses] = {}


def statuses_of(listener: str) -> Statuses:
    """How often each status was answered at a listener."""
    return _by_listener.setdefault(listener, defaultdict(int))


def figures() -> Iterator[Figure]:
    """What there is to be told."""
    for listener, statuses in _by_listener.items():
        for first in range(1, 10):
            count = sum(count for status, count in list(statuses.items()) if status // 100 == first)
            if count:
                yield grows("listener_responses", listener, f"{first}xx"), count
    for own, count in list(answered.items()):
        yield grows("own_answers", str(own)), count
    cache = connection_cache()
    yield grows("cache_reused"), cache.reused
    yield grows("cache_stale"), cache.stale
    yield varies("cache_idle"), len(cache)
