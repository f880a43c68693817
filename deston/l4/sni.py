"""Which pool a TLS connection is for, by the name that its client asks for and the protocols that it offers.

What lives here: the order of routes by SNI and ALPN. Pure.
What must not: the reading of either (``net.client_hello``).
Invariant: the most specific name wins: itself, then the longest wildcard, then ``*`` or no name at all. For one name, a
route with a protocol that the client offers comes before one without, and a route of one listener before one of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deston.config.http_rules import RouteConfig

ANY = "*"


class SniRouter:
    """The tcp routes of a file."""

    __slots__ = ("_pools",)

    def __init__(self, routes: Iterable[RouteConfig]) -> None:
        self._pools: dict[tuple[str, str, str], str] = {}
        for route in routes:
            if route.is_tcp:
                for name in route.sni or (ANY,):
                    for protocol in route.alpn or ("",):
                        self._pools[route.listener, name, protocol] = route.pool

    def pool_for(self, listener: str, server_name: str, alpn: tuple[str, ...]) -> str | None:
        """The name of the pool for a connection; None where no route takes it."""
        for name in _names(server_name):
            for protocol in (*alpn, ""):
                for whose in (listener, ""):
                    pool = self._pools.get((whose, name, protocol))
                    if pool is not None:
                        return pool
        return None

    def __repr__(self) -> str:
        return f"<SniRouter {len(self._pools)} entries>"


def _names(server_name: str) -> Iterator[str]:
    """What may stand in a route for a name, the most specific first."""
    if server_name:
        yield server_name
        rest = server_name
        while "." in rest:
            rest = rest.partition(".")[2]
            yield f"*.{rest}"
    yield ANY
