"""What runs now: ``deston status``.

What lives here: the state of pools, servers and workers as one value, and as a table.
What must not: where it comes from (``store``), the command (``cli``).
Invariant: the value has the form of design section 9; a table fits 100 columns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from deston.config.model import AdminState, Config, PoolConfig, ServerConfig
from deston.errors import ConfigError
from deston.health.passive import REFUSALS
from deston.store.base import State
from deston.store.board import Board
from deston.store.changes import in_force
from deston.store.counted import Counts, Found, WorkerPlace

_HEADING = (
    f"{'pool/server':<28} {'address':<23} {'health':<9} {'admin':<6} {'wght':>4} {'act':>5} {'total':>8} {'fail':>5}"
)
_HEALTHS = ("unchecked", "up", "down")
# The figures of listeners that are told, and as what.
_OF_LISTENER = {
    "listener_open": "open",
    "listener_sessions": "open",
    "listener_accepted": "accepted",
    "listener_responses": "responses",
    "listener_refused": "refused",
}
_COLOURS = {"up": "green", "down": "red", "unchecked": "yellow"}


def status(config: Config, state: State, board: Board | None, problem: ConfigError | None = None) -> dict[str, Any]:
    """Everything that is known; ``board`` is None where nothing has run yet.

    ``problem`` is what is wrong with the file by now, where ``config`` is what it was before.
    """
    effective, _ = in_force(config, state.changes)
    workers = board.living() if board is not None else []
    # A thousand servers are looked at: who lives is found out once.
    seen = _Seen(board, workers, {(one.pool, one.server) for one in state.changes})
    leader = board.leader if board is not None else 0
    return {
        "file": config.file,
        "problems": [] if problem is None else [str(one) for one in problem.problems],
        "revision": state.revision,
        "workers": [
            {
                "process": one.process,
                "revision": one.revision,
                "checks": one.process == leader,
            }
            for one in workers
        ],
        "pools": {pool.name: _pool(pool, seen) for pool in effective.pools},
        "listeners": _listeners(config, board),
        "changes": [
            {"pool": one.pool, "server": one.server, "what": one.what.value, "value": one.value}
            for one in state.changes
        ],
    }


def _listeners(config: Config, board: Board | None) -> dict[str, Any]:
    listeners: dict[str, dict[str, Any]] = {
        one.name: {
            "bind": str(one.bind),
            "protocol": one.protocol.value if one.protocol else "",
            "pool": one.pool,
            "open": None,
            "accepted": 0,
            "responses": {},
            "refused": {},
        }
        for one in config.listeners
    }
    for figure, value in (board.figures() if board is not None else {}).items():
        kind, *labels = figure.split("|")
        if labels and labels[0] in listeners and kind in _OF_LISTENER:
            key = _OF_LISTENER[kind]
            one = listeners[labels[0]]
            if len(labels) > 1:
                one[key][labels[1]] = int(value)
            else:
                one[key] = int(value)
    return listeners


class _Seen(NamedTuple):
    """What is there to be looked at: the board, who lives, and the servers that were changed at run time."""

    board: Board | None
    workers: list[WorkerPlace]
    changed: set[tuple[str, str]]


def _pool(pool: PoolConfig, seen: _Seen) -> dict[str, Any]:
    servers: dict[str, Any] = {}
    for server in pool.servers:
        for name, address, counts, found in _members(pool, server, seen):
            servers[name] = _server(server, address, counts, found, (pool.name, server.name) in seen.changed)
    return {"algorithm": pool.algorithm, "servers": servers}


def _members(pool: PoolConfig, server: ServerConfig, seen: _Seen) -> Iterator[tuple[str, str, Counts, Found]]:
    """A server, and those that stand for further addresses of its name."""
    board = seen.board
    found = board.members(pool.name, server.name) if board is not None else []
    if not any(name == server.name and address == str(server.address) for name, address, _ in found):
        yield server.name, str(server.address), Counts(), Found()
    for name, address, row in found:
        assert board is not None
        if name == server.name and address != str(server.address):
            continue  # Where it was before.
        yield name, address, board.sum(row, seen.workers), board.health(row)


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
        "marked": round(max(0.0, counts.marked - time.monotonic()), 1),
        "not_marked": REFUSALS[counts.refusal] if 0 <= counts.refusal < len(REFUSALS) else "",
        "check": {
            "last": round(max(0.0, time.time() - found.at), 1) if found.at else None,
            "reason": found.reason,
            "count": found.checks,
            "failed": found.failed,
            "flips": found.flips,
            "seconds": round(found.seconds, 4),
        },
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
            for note, colour in _notes(one):
                yield f"      {note}"[:100], colour
    behind = [one for one in told["workers"] if one["revision"] < told["revision"]]
    leader = next((str(one["process"]) for one in told["workers"] if one["checks"]), "none")
    yield f"workers: {len(told['workers'])}, health is checked by: {leader}, revision: {told['revision']}", ""
    if behind:
        yield f"not yet told of the last change: {', '.join(str(one['process']) for one in behind)}", "yellow"
    if told["changes"]:
        yield "* changed at run time; `deston server reset POOL NAME` drops it", ""


def _notes(server: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is to be said about a server beyond its numbers."""
    if server["health"] != "up" and server["check"]["reason"]:
        yield server["check"]["reason"], _COLOURS[server["health"]]
    if server["marked"]:
        yield f"left out for another {server['marked']:.0f}s: it failed too often", "yellow"
    if server["not_marked"]:
        yield f"it fails often, and is not left out: {server['not_marked']}", "yellow"


def _colour(server: dict[str, Any]) -> str:
    if server["admin"] != AdminState.READY.value:
        return "cyan"
    return _COLOURS[server["health"]]
