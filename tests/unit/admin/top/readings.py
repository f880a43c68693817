"""Readings as `admin.status.status` gives them, made up.

What lives here: a server and a whole reading, ordinary unless a test says otherwise.
What must not: assertions.
Invariant: each has all keys that a real one has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deston.admin.top.rates import Rates
from deston.admin.top.rows import Row, make_rows

Told = dict[str, Any]


def server(**said: Any) -> Told:
    """What is told of a server."""
    usual: Told = {
        "address": "127.0.0.1:3000",
        "health": "up",
        "admin": "ready",
        "weight": 1,
        "backup": False,
        "active": 0,
        "total": 0,
        "failures": 0,
        "latency_ms": 0.0,
        "bytes_in": 0,
        "bytes_out": 0,
        "changed": False,
        "check": {"last": 0.5, "reason": ""},
    }
    return {**usual, **said}


def told(workers: int = 1, **pools: Mapping[str, Told]) -> Told:
    """A reading with these pools of servers."""
    return {
        "file": "deston.conf",
        "revision": 7,
        "workers": [{"process": 100 + number, "revision": 7, "checks": not number} for number in range(workers)],
        "pools": {name: {"algorithm": "round_robin", "servers": dict(servers)} for name, servers in pools.items()},
        "listeners": {},
        "changes": [],
    }


def rows_of(reading: Told, sort: str = "file", reverse: bool = False, text: str = "") -> list[Row]:
    """The rows of a single reading, or of one whose counters began at 0 a second before."""
    return make_rows(reading, rates_of(reading), sort, reverse, text)


def rates_of(reading: Told) -> Rates:
    """Rates as though each counter had been 0 a second before."""
    rates = Rates()
    zero = {"total": 0, "failures": 0, "bytes_in": 0, "bytes_out": 0}
    pools = {
        name: {**pool, "servers": {key: {**one, **zero} for key, one in pool["servers"].items()}}
        for name, pool in reading["pools"].items()
    }
    rates.add({**reading, "pools": pools}, 1.0)
    rates.add(reading, 2.0)
    return rates
