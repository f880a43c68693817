"""Arrivals out of an access log: the requests that there were, at their times.

What lives here: reading the JSON lines that Deston writes, of requests as of connections and sessions.
What must not: other forms of logs.
Invariant: a line that cannot be understood is an error with its number: what was left out in silence would be missing
from the load.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deston.address import client_key
from deston.errors import CannotSimulate
from deston.simulate.arrivals import Arrival

# What the access log of requests and that of connections call the same.
_CLIENTS = ("client_address", "client")
_DURATIONS = ("total_ms", "duration_ms")
# A request that took no measurable time still took some: times are written in tenths of milliseconds.
_SHORTEST = 0.00005
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Replay:
    """What a log has: when requests came, who sent them, and how long their servers had them, in seconds.

    ``skipped`` is how many lines tell of requests that no server had.
    """

    file: str
    times: Sequence[float]
    clients: Sequence[int]
    services: Sequence[float]
    keys: Sequence[str]
    skipped: int

    @property
    def description(self) -> str:
        left_out = f" ({self.skipped} that reached no server are left out)" if self.skipped else ""
        return f"{len(self.times):,} requests of {self.file}{left_out}"

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    @property
    def seconds(self) -> float:
        return max(self.times[-1], _SHORTEST)

    @property
    def work(self) -> float:
        return sum(self.services) / self.seconds

    def __iter__(self) -> Iterator[Arrival]:
        return zip(self.times, self.clients, self.services, strict=True)


def read_log(file: str, pool: str = "") -> Replay:
    """The requests of an access log with ``access_log_format = json``; with ``pool``, those of that pool alone.

    Raises ``CannotSimulate`` for a log that cannot be read, has a bad line, or nothing to replay.
    """
    try:
        with open(file, encoding="utf-8") as lines:
            return _replay(file, lines, pool)
    except OSError as error:
        raise CannotSimulate(f"{file} cannot be read: {error.strerror}", "--log") from error
    except UnicodeDecodeError as error:
        raise CannotSimulate(f"{file} is not UTF-8: it is no access log in JSON", "--log") from error


def _replay(file: str, lines: Iterable[str], pool: str) -> Replay:
    times, clients, services = array("d"), array("l"), array("d")
    numbers: dict[str, int] = {}
    skipped = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = _fields(line)
            if pool and fields.get("pool") != pool:
                continue
            if not fields.get("server"):
                skipped += 1
                continue
            came, key, seconds = _request(fields)
        except ValueError as error:
            raise CannotSimulate(f"{file}:{number}: {error}", "--log") from error
        times.append(came)
        clients.append(numbers.setdefault(key, len(numbers)))
        services.append(seconds)
    if not times:
        where = f" that the pool {pool} had" if pool else " that a server had"
        raise CannotSimulate(f"{file} has no request{where}", "--log")
    return _in_order(file, times, clients, services, list(numbers), skipped)


def _in_order(
    file: str, times: Sequence[float], clients: Sequence[int], services: Sequence[float], keys: list[str], skipped: int
) -> Replay:
    """Lines are written when requests end: here they are in the order in which they came, from 0 on."""
    order = sorted(range(len(times)), key=times.__getitem__)
    first = times[order[0]]
    return Replay(
        file,
        array("d", (times[index] - first for index in order)),
        array("l", (clients[index] for index in order)),
        array("d", (services[index] for index in order)),
        keys,
        skipped,
    )


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"this is not JSON: {_shown(line)} (write the log with access_log_format = json)") from None
    if not isinstance(fields, dict):
        raise ValueError(f"this is not a line of an access log: {_shown(line)}")
    return fields


def _request(fields: dict[str, Any]) -> tuple[float, str, float]:
    """When it came, in seconds since 1970; its client's key; how many seconds its server had it."""
    total = _number(fields, next((name for name in _DURATIONS if name in fields), _DURATIONS[0]))
    queued = _number(fields, "queue_ms") if fields.get("queue_ms") is not None else 0.0
    client = next((fields[name] for name in _CLIENTS if name in fields), None)
    if not isinstance(client, str):
        raise ValueError(f"{_CLIENTS[0]} is missing")
    return _time(fields), client_key(_without_port(client)), max(_SHORTEST, (total - queued) / 1000)


def _time(fields: dict[str, Any]) -> float:
    text = fields.get("time")
    try:
        # Python 3.10 reads no Z.
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("time is missing" if text is None else f"time is no time: {_shown(str(text))}") from None


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise ValueError(f"{name} is missing" if value is None else f"{name} is no time: {_shown(str(value))}")
    return float(value)


def _without_port(client: str) -> str:
    """The address of ``10.0.0.7:50012`` or ``[::1]:50012``; another text is one already."""
    if client.startswith("["):
        return client[1:].partition("]")[0]
    return client.partition(":")[0] if client.count(":") == 1 else client


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
