"""The routes of http listeners as a table: ``deston check --routes``.

What lives here: what each route takes and where it leads, in words.
What must not: the order; it is the router's own (``l7.routing``).
Invariant: the first line that fits a request is the route that takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deston.config.http_rules import Condition, RouteConfig
from deston.config.model import Config, Protocol
from deston.l7.answers import Fixed, Pages
from deston.l7.routing import Router

_HEADINGS = ("listener", "host", "path", "further conditions", "route", "leads to")


def route_lines(config: Config) -> list[str]:
    """A line for each host of each route, in the order in which they are tried, and what is left to the listeners."""
    rows = [_row(host, route) for host, route in Router(config.routes).in_order()]
    rows += [
        (one.name, "any", "/", "", "-", f"pool {one.pool}" if one.pool else "404")
        for one in config.listeners_of(Protocol.HTTP)
    ]
    return _aligned([_HEADINGS, *rows])


def require_pages(config: Config) -> None:
    """Raise ``StartError`` for the first page of a listener or a route that cannot be used."""
    for listener in config.listeners:
        Pages(listener.error_pages)
    for route in config.routes:
        if route.respond is not None:
            Fixed(route.respond)


def _row(host: str, route: RouteConfig) -> tuple[str, ...]:
    path = f"= {route.path_exact}" if route.path_exact else f"~ {route.path_regex}" if route.path_regex else route.path
    return route.listener or "any", host or "any", path, ", ".join(_conditions(route)), route.name, _target(route)


def _conditions(route: RouteConfig) -> Iterator[str]:
    if route.methods:
        yield "/".join(route.methods)
    yield from (_condition(one, ": ") for one in route.headers)
    yield from (f"?{_condition(one, '=')}" for one in route.queries)
    if route.clients:
        yield f"client in {' '.join(map(str, route.clients))}"


def _condition(condition: Condition, between: str) -> str:
    if condition.value is None:
        return condition.name
    return f"{condition.name}{between}{'~' if condition.is_pattern else ''}{condition.value}"


def _target(route: RouteConfig) -> str:
    if route.redirect is not None:
        return f"redirect {route.redirect.status}"
    if route.respond is not None:
        return f"status {route.respond.status}"
    if len(route.pools) == 1:
        return f"pool {route.pool}"
    return "pools " + ", ".join(f"{share.pool}={share.weight}" for share in route.pools)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
