"""Routes by SNI and ALPN: the most specific wins."""

from __future__ import annotations

import pytest

from deston.config.http_rules import PoolShare, RouteConfig
from deston.l4.sni import SniRouter


def route(pool: str, *sni: str, alpn: tuple[str, ...] = (), listener: str = "") -> RouteConfig:
    return RouteConfig(pool, pools=(PoolShare(pool),), listener=listener, sni=sni, alpn=alpn)


ROUTER = SniRouter(
    [
        route("exact", "db.example.com"),
        route("exact-h2", "db.example.com", alpn=("h2", "x")),
        route("wild", "*.example.com"),
        route("deep", "*.deep.example.com"),
        route("here", "db.example.com", listener="here"),
        route("any-h2", alpn=("h2",)),
        route("any", "*", listener="rest"),
        RouteConfig("http", ("db.example.com",), pools=(PoolShare("http"),)),
    ]
)


@pytest.mark.parametrize(
    ("listener", "name", "alpn", "pool"),
    [
        ("there", "db.example.com", (), "exact"),
        ("there", "db.example.com", ("http/1.1",), "exact"),
        ("there", "db.example.com", ("http/1.1", "h2"), "exact-h2"),
        ("here", "db.example.com", (), "here"),
        ("there", "web.example.com", (), "wild"),
        ("there", "a.web.example.com", (), "wild"),
        ("there", "a.deep.example.com", (), "deep"),
        ("there", "deep.example.com", (), "wild"),
        ("there", "example.com", (), None),
        ("there", "example.com", ("h2",), "any-h2"),
        ("there", "", (), None),
        ("there", "", ("h2",), "any-h2"),
        ("rest", "", (), "any"),
        ("rest", "other.org", (), "any"),
    ],
)
def test_the_most_specific_route_wins(listener: str, name: str, alpn: tuple[str, ...], pool: str | None) -> None:
    """The name itself, then the longest wildcard, then any; a protocol and a listener of its own count at one name."""
    assert ROUTER.pool_for(listener, name, alpn) == pool


def test_only_tcp_routes_count() -> None:
    """A route by host and path takes no connection."""
    assert SniRouter([RouteConfig("http", pools=(PoolShare("http"),))]).pool_for("here", "", ()) is None
    assert repr(ROUTER) == "<SniRouter 8 entries>"
