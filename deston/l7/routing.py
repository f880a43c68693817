"""Which route takes a request: pure.

What lives here: hosts, paths and further conditions, ordered once when the configuration is read.
What must not: what a route does with what it takes (``way``), pools.
Invariant: the most specific route wins; the order in the file decides between those that are equally specific only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from deston.config.http_rules import Condition, RouteConfig
from deston.l7.fields import Named
from deston.l7.query import parameters
from deston.networks import Networks

_WILDCARD: Final = "*."
# Hosts whose candidates are remembered; a client can name any.
MOST_HOSTS: Final = 1024


class Facts(NamedTuple):
    """What routes look at besides host and path. ``client`` is its address, empty where it has none."""

    method: bytes = b"GET"
    named: Named = {}
    client: str = ""
    listener: str = ""


NO_FACTS: Final = Facts()


class _Candidate:
    """One host pattern of a route."""

    __slots__ = (
        "_clients", "_headers", "_methods", "_path_regex", "_queries", "has_conditions", "host", "route",
    )  # fmt: skip

    def __init__(self, host: str, route: RouteConfig) -> None:
        self.host = host
        self.route = route
        self._path_regex = re.compile(route.path_regex) if route.path_regex else None
        methods = {one.encode() for one in route.methods}
        self._methods = frozenset(methods | {b"HEAD"} if b"GET" in methods else methods)
        self._headers = [(one.name.encode(), _test(one)) for one in route.headers]
        self._queries = [(one.name, _test(one)) for one in route.queries]
        self._clients = Networks(route.clients)
        self.has_conditions = bool(methods or self._headers or self._queries or self._clients or route.listener)

    @property
    def precedence(self) -> tuple[object, ...]:
        """What is compared, the more specific first: listener, host, path, then further conditions."""
        route = self.route
        path = route.path_exact or route.path_regex or route.path
        return (
            bool(route.listener),
            bool(self.host) and not self.host.startswith(_WILDCARD),
            len(self.host),
            2 if route.path_exact else 1 if route.path_regex else 0,
            len(path),
            bool(self._methods),
            len(self._headers),
            len(self._queries),
            min((network.prefixlen for network in route.clients), default=-1),
        )

    def takes_host(self, host: str) -> bool:
        if self.host.startswith(_WILDCARD):
            return host.endswith(self.host[1:]) and len(host) >= len(self.host)
        return not self.host or host == self.host

    def takes(self, path: str, query: str, facts: Facts) -> bool:
        return self._takes_path(path) and (not self.has_conditions or self._holds(query, facts))

    def _takes_path(self, path: str) -> bool:
        route = self.route
        if route.path_exact:
            return path == route.path_exact
        if self._path_regex is not None:
            return self._path_regex.match(path) is not None
        return is_below(path, route.path)

    def _holds(self, query: str, facts: Facts) -> bool:
        """Whether all conditions hold but those of host and path."""
        if self._methods and facts.method not in self._methods:
            return False
        if self.route.listener not in ("", facts.listener):
            return False
        if self._clients and facts.client not in self._clients:
            return False
        for name, test in self._headers:
            if not any(map(test, [value.decode("latin-1") for value in facts.named.get(name, ())])):
                return False
        if self._queries:
            given = parameters(query)
            return all(any(map(test, given.get(name, ()))) for name, test in self._queries)
        return True


def _test(condition: Condition) -> Callable[[str], object]:
    """Whether one value fits a condition."""
    if condition.value is None:
        return lambda value: True
    if condition.is_pattern:
        return re.compile(condition.value).search
    return condition.value.__eq__


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is the prefix or lies below it, by whole segments: ``/v1`` has ``/v1/x`` but not ``/v10``.

    Everything lies below ``/``, the ``*`` of OPTIONS, too. A path may carry its query.
    """
    if not path.startswith(prefix):
        return prefix == "/"
    return prefix.endswith("/") or len(path) == len(prefix) or path[len(prefix)] in "/?"


class Router:
    """The routes of the HTTP listeners, the most specific first."""

    def __init__(self, routes: Iterable[RouteConfig]) -> None:
        candidates = [_Candidate(host, route) for route in routes if not route.is_tcp for host in route.hosts or ("",)]
        self._candidates = sorted(candidates, key=lambda one: one.precedence, reverse=True)
        self._by_host: dict[str, list[_Candidate]] = {}
        self.is_empty = not self._candidates
        #: Whether any of them looks at more than host and path.
        self.has_conditions = any(one.has_conditions for one in self._candidates)

    def match(self, host: str, target: str, facts: Facts = NO_FACTS) -> RouteConfig | None:
        """The route of a request, or None.

        ``host`` is in lower case without its port, ``target`` may carry its query.
        """
        path, _, query = target.partition("?")
        for candidate in self._for_host(host):
            if candidate.takes(path, query, facts):
                return candidate.route
        return None

    def _for_host(self, host: str) -> list[_Candidate]:
        """The candidates that take a host, found once."""
        found = self._by_host.get(host)
        if found is None:
            if len(self._by_host) >= MOST_HOSTS:
                self._by_host.clear()
            found = self._by_host[host] = [one for one in self._candidates if one.takes_host(host)]
        return found

    def in_order(self) -> list[tuple[str, RouteConfig]]:
        """Each host pattern (empty for any host) with its route, in the order in which they are tried."""
        return [(one.host, one.route) for one in self._candidates]


@lru_cache(maxsize=1024)
def host_without_port(host: bytes) -> str:
    """The host of a ``Host`` field in lower case, without its port and a trailing dot."""
    text = host.decode("latin-1").lower()
    name, colon, port = text.rpartition(":")
    if colon and port.isdigit() or colon and not port:
        text = name
    return text.rstrip(".")
