"""Which pool serves a request: pure.

What lives here: host patterns and path prefixes, ordered once when the configuration is read.
What must not: header rules, pools themselves.
Invariant: the most specific host wins, then the longest path; the order in the file makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from deston.config.model import RouteConfig

_WILDCARD = "*."


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One host pattern of a route."""

    host: str
    route: RouteConfig

    @property
    def precedence(self) -> tuple[bool, int, int]:
        """Exact hosts before wildcards before none, longer before shorter, then longer paths."""
        return (bool(self.host) and not self.host.startswith(_WILDCARD), len(self.host), len(self.route.path))

    def matches(self, host: str, path: str) -> bool:
        return self._matches_host(host) and _is_below(path, self.route.path)

    def _matches_host(self, host: str) -> bool:
        if self.host.startswith(_WILDCARD):
            return host.endswith(self.host[1:]) and len(host) >= len(self.host)
        return not self.host or host == self.host


def _is_below(path: str, prefix: str) -> bool:
    """Whether a path is the prefix or lies below it, by whole segments: ``/v1`` has ``/v1/x`` but not ``/v10``.

    Everything lies below ``/``, the ``*`` of OPTIONS, too.
    """
    if not path.startswith(prefix):
        return prefix == "/"
    return prefix.endswith("/") or len(path) == len(prefix) or path[len(prefix)] in "/?"


class Router:
    """The routes of the HTTP listeners, the most specific first."""

    def __init__(self, routes: Iterable[RouteConfig]) -> None:
        candidates = [_Candidate(host, route) for route in routes for host in route.hosts or ("",)]
        self._candidates = sorted(candidates, key=lambda one: one.precedence, reverse=True)
        self.is_empty = not self._candidates

    def match(self, host: str, path: str) -> RouteConfig | None:
        """The route of a request, or None.

        ``host`` is in lower case without its port, ``path`` may carry its query.
        """
        for candidate in self._candidates:
            if candidate.matches(host, path):
                return candidate.route
        return None


def strip_prefix(target: bytes, prefix: str) -> bytes:
    """A request target without a prefix of its path; it still begins with a slash."""
    removed = prefix.rstrip("/").encode("latin-1")
    if not removed or not _is_below(target.decode("latin-1"), prefix.rstrip("/")):
        return target
    rest = target[len(removed) :]
    return rest if rest.startswith(b"/") else b"/" + rest


@lru_cache(maxsize=1024)
def host_without_port(host: bytes) -> str:
    """The host of a ``Host`` field in lower case, without its port and a trailing dot."""
    text = host.decode("latin-1").lower()
    name, colon, port = text.rpartition(":")
    if colon and port.isdigit() or colon and not port:
        text = name
    return text.rstrip(".")
