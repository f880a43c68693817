"""The rows of the table: pools with their servers, in an order, and those that fit a filter.

What lives here: a row as a value, what can be sorted by, what a filter looks at.
What must not: text that is aligned or coloured (``view``), keys (``choices``).
Invariant: the servers of a pool stand below it, whatever is sorted by; a pool without a server that fits is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deston.admin.top.rates import Name, Rate, Rates

_READY = "ready"


@dataclass(frozen=True, slots=True)
class Row:
    """A server, or a pool, which has no ``server``.

    ``told`` is what ``admin.status.status`` says of the server. Of a pool ``servers`` are its rows, those that a filter
    hides among them, and ``algorithm`` is its policy.
    """

    pool: str
    server: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    rate: Rate | None = None
    place: int = 0
    algorithm: str = ""
    servers: Sequence[Row] = ()

    @property
    def name(self) -> Name:
        return self.pool, self.server

    @property
    def state(self) -> str:
        """In a word: the health of a server that is ready, else its admin state."""
        return str(self.told["health"] if self.told["admin"] == _READY else self.told["admin"])

    @property
    def can_be_picked(self) -> bool:
        """Whether new clients may come to the server."""
        return bool(self.told["admin"] == _READY and self.told["health"] != "down" and self.told["weight"] > 0)

    def sum(self, what: str) -> int:
        """A figure of the server, or of all servers of the pool together."""
        return sum(one.sum(what) for one in self.servers) if not self.server else int(self.told[what])

    @property
    def latency_ms(self) -> float:
        """In milliseconds; of a pool the mean over its servers, by what each of them carried, 0 for unknown."""
        if self.server:
            return float(self.told["latency_ms"])
        known = [(one.latency_ms, max(1, one.sum("total"))) for one in self.servers if one.latency_ms > 0]
        weight = sum(total for _, total in known)
        return sum(latency * total for latency, total in known) / weight if weight else 0.0


_Key = Callable[[Row], Any]
_SEVERITY = ("down", "maint", "drain", "unchecked", "up")


def _worst(row: Row) -> int:
    return min(_SEVERITY.index(one.state) for one in row.servers or (row,))


def _of_rate(figure: int) -> _Key:
    return lambda row: -(row.rate[figure] if row.rate is not None else -1.0)


#: What can be sorted by; figures begin with the largest, and ``file`` is the order of the file.
SORTS: Mapping[str, _Key] = {
    "file": lambda row: row.place,
    "name": lambda row: row.name,
    "state": _worst,
    "active": lambda row: -row.sum("active"),
    "rate": _of_rate(0),
    "failures": lambda row: (_of_rate(1)(row), -row.sum("failures")),
    "latency": lambda row: -row.latency_ms,
    "in": _of_rate(2),
    "out": _of_rate(3),
}


def make_rows(told: Mapping[str, Any], rates: Rates, sort: str, reverse: bool = False, text: str = "") -> list[Row]:
    """The rows as they are to be shown: each pool, and below it its servers.

    ``sort`` is one of ``SORTS``. Of ``text`` each word has to occur in ``pool/server``, the address or the state.
    """
    words = text.lower().split()
    found: list[Row] = []
    for pool in sorted(_pools(told, rates), key=SORTS[sort], reverse=reverse):
        fitting = [one for one in pool.servers if _fits(one, words)]
        if fitting or not words:
            found += [pool, *sorted(fitting, key=SORTS[sort], reverse=reverse)]
    return found


def _pools(told: Mapping[str, Any], rates: Rates) -> Iterator[Row]:
    for place, (pool, one) in enumerate(told["pools"].items()):
        servers = [
            Row(pool, server, said, rates.rate(pool, server), number)
            for number, (server, said) in enumerate(one["servers"].items())
        ]
        yield Row(pool, "", {}, rates.rate(pool), place, one["algorithm"], servers)


def _fits(row: Row, words: Sequence[str]) -> bool:
    text = f"{row.pool}/{row.server} {row.told['address']} {row.state}".lower()
    return all(word in text for word in words)
