"""Why a request goes where it goes: ``deston explain``.

What lives here: the route that takes it, what becomes of its path, and each server with why it may be picked or not.
What must not: sending anything.
Invariant: the route is found by the router that requests are routed by.
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import SplitResult, urlsplit

from deston.config.http_rules import RouteConfig
from deston.config.model import AdminState, Config, ListenerConfig, PoolConfig, Protocol
from deston.errors import StartError
from deston.l7.fields import by_name
from deston.l7.rewriting import Prefixes
from deston.l7.routing import Facts, Router, host_without_port
from deston.store.board import Board
from deston.store.counted import Counts

_DOWN = 2
# RFC 9110 section 5.6.2.
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def explain(
    config: Config,
    board: Board | None,
    method: str,
    url: str,
    client: str,
    fields: list[tuple[bytes, bytes]],
    listener: str = "",
) -> dict[str, Any]:
    """What would become of a request; ``config`` has the operator's changes. Raises ``StartError`` for a bad URL."""
    parts = _split(url)
    if not _METHOD.fullmatch(method):
        raise StartError(f"{method!r} is not a method")
    found = _listener(config, listener)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    facts = Facts(method.upper().encode(), by_name(fields), client, found.name)
    routes = [route for route in config.routes if route.listener in ("", found.name)]
    route = Router(routes).match(host_without_port(parts.netloc.encode()), target, facts)
    told: dict[str, Any] = {"listener": found.name, "route": route.name if route else None}
    if route is not None and route.redirect is not None:
        return {**told, "answer": f"redirect {route.redirect.status}"}
    if route is not None and route.respond is not None:
        return {**told, "answer": f"status {route.respond.status}"}
    names = [share.pool for share in route.pools] if route else [found.pool] if found.pool else []
    if not names:
        return {**told, "answer": "status 404: no route takes it, and the listener has no pool"}
    return {
        **told,
        "target": _target(route, target),
        "pools": {name: _pool(config.pool(name), board) for name in names},
    }


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_good = bool(parts.hostname) and parts.scheme in ("http", "https") and (parts.port or 1) > 0
    except ValueError:  # Such as brackets that do not match, and a port that is none.
        is_good = False
    if not is_good:
        raise StartError(f"{url!r} is not an URL: write http://host/path")
    return parts


def _listener(config: Config, name: str) -> ListenerConfig:
    found = [one for one in config.listeners_of(Protocol.HTTP) if name in ("", one.name)]
    if not found:
        raise StartError(f"there is no http listener {name}".strip())
    return found[0]


def _target(route: RouteConfig | None, target: str) -> str:
    prefixes = Prefixes.of(route) if route is not None else Prefixes(b"", b"")
    return prefixes.to_server(target.encode("latin-1", "replace")).decode("latin-1") if prefixes else target


def _pool(pool: PoolConfig, board: Board | None) -> dict[str, Any]:
    judged = {}
    for server in pool.servers:
        members = board.members(pool.name, server.name) if board is not None else []
        row = next((row for name, _, row in members if name == server.name), -1)
        health = board.health(row) if board is not None and row >= 0 else None
        counts = board.sum(row) if board is not None and row >= 0 else Counts()
        active = counts.active
        if server.state is not AdminState.READY:
            why = f"no: its state is {server.state.value}"
        elif server.weight == 0:
            why = "no: its weight is 0"
        elif health is not None and health.health == _DOWN:
            why = f"no: it is down ({health.reason})"
        elif counts.marked > time.monotonic():
            why = f"no: it failed too often, and is left out for {counts.marked - time.monotonic():.0f}s"
        elif 0 < server.max_connections <= active:
            why = f"no: it is full ({active} of {server.max_connections})"
        else:
            why = "if no other can: it is a backup" if server.backup else "yes"
        judged[server.name] = {"address": str(server.address), "may_be_picked": why}
    return {"algorithm": pool.algorithm, "servers": judged}
