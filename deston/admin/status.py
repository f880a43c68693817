"""What runs now: ``deston status``.

What lives here: the state of pools, servers and workers as one value, and as a table.
What must not: where it comes from (``store``), the command (``cli``).
Invariant: the value has the form of design section 9; a table fits 100 columns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from deston.config.model import AdminState, Config, PoolConfig, ServerConfig
from deston.store.base import State
from deston.store.board import Board
from deston.store.changes import with_changes
from deston.store.counted import Counts, Found

_HEADING = (
    f"{'pool/server':<28} {'address':<23} {'health':<9} {'admin':<6} {'wght':>4} {'act':>5} {'total':>8} {'fail':>5}"
)
_HEALTHS = ("unchecked", "up", "down")
_COLOURS = {"up": "green", "down": "red", "unchecked": "yellow"}


def status(config: Config, state: State, board: Board | None) -> dict[str, Any]:
    """Everything that is known; ``board`` is None where nothing has run yet."""
    effective = with_changes(config, state.changes)
    workers = board.living() if board is not None else []
    leader = board.leader if board is not None else 0
    return {
        "file": config.file,
        "revision": state.revision,
        "workers": [
            {
                "process": one.process,
                "revision": one.revision,
                "checks": one.process == leader,
            }
            for one in workers
        ],
        "pools": {pool.name: _pool(pool, board, state) for pool in effective.pools},
        "listeners": {
            one.name: {
                "bind": str(one.bind),
                "protocol": one.protocol.value if one.protocol else "",
                "pool": one.pool,
            }
            for one in config.listeners
        },
        "changes": [
            {"pool": one.pool, "server": one.server, "what": one.what.value, "value": one.value}
            for one in state.changes
        ],
    }


def _pool(pool: PoolConfig, board: Board | None, state: State) -> dict[str, Any]:
    changed = {one.server for one in state.changes if one.pool == pool.name}
    servers: dict[str, Any] = {}
    for server in pool.servers:
        for name, address, counts, found in _members(pool, server, board):
            servers[name] = _server(server, address, counts, found, server.name in changed)
    return {"algorithm": pool.algorithm, "servers": servers}


def _members(pool: PoolConfig, server: ServerConfig, board: Board | None) -> Iterator[tuple[str, str, Counts, Found]]:
    """A server, and those that stand for further addresses of its name."""
    found = board.members(pool.name, server.name) if board is not None else []
    if not any(name == server.name for name, _, _ in found):
        yield server.name, str(server.address), Counts(), Found()
    for name, address, row in found:
        assert board is not None
        if name == server.name and address != str(server.address):
            continue  # Where it was before.
        yield name, address, board.sum(row), board.health(row)


def _server(server: ServerConfig, address: str, counts: Counts, found: Found, changed: bool) -> dict[str, Any]:
    return {
        "address": address,
        "health": _HEALTHS[found.health],
        "admin": server.state.value,
        "weight": server.weight,
        "backup": server.backup,
        "active": counts.active,
        "total": counts.total,
        "failures": counts.failures,
        "latency_ms": round(counts.latency * 1000, 1),
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
        "changed": changed,
        "check": {"last": round(time.time() - found.at, 1) if found.at else None, "reason": found.reason},
    }


def table(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The lines of a table, each with its colour, empty for none."""
    yield _HEADING, ""
    for name, pool in told["pools"].items():
        yield f"{name} ({pool['algorithm']})"[:98], ""
        for server, one in pool["servers"].items():
            mark = "*" if one["changed"] else " "
            line = (
                f" {mark}{server[:25]:<26} {one['address'][-23:]:<23} {one['health']:<9} {one['admin']:<6} "
                f"{one['weight']:>4} {one['active']:>5} {one['total']:>8} {one['failures']:>5}"
            )
            yield line[:100], _colour(one)
            if one["health"] == "down" and one["check"]["reason"]:
                yield f"      {one['check']['reason']}"[:100], "red"
    behind = [one for one in told["workers"] if one["revision"] < told["revision"]]
    leader = next((str(one["process"]) for one in told["workers"] if one["checks"]), "none")
    yield f"workers: {len(told['workers'])}, health is checked by: {leader}, revision: {told['revision']}", ""
    if behind:
        yield f"not yet told of the last change: {', '.join(str(one['process']) for one in behind)}", "yellow"
    if told["changes"]:
        yield "* changed at run time; `deston server reset POOL NAME` drops it", ""


def _colour(server: dict[str, Any]) -> str:
    if server["admin"] != AdminState.READY.value:
        return "cyan"
    return _COLOURS[server["health"]]
