"""One thing that is under way, as a value: a connection, a UDP session, an exchange, a tunnel.

What lives here: what is told of it, its id, which of them are wanted, and the foremost of many. Pure.
What must not: where it comes from (``service``), how it is shown (``admin.sessions``).
Invariant: an id names a process and one thing in it, and no other thing ever after: numbers are not given out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

TCP, UDP, HTTP, TUNNEL, IDLE = "tcp", "udp", "http", "tunnel", "idle"
#: Not longer than this is what is told of what a thing is about.
LONGEST_ABOUT = 200

_ID = re.compile(r"([1-9][0-9]{0,9})-([0-9a-z]{1,13})", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Entry(NamedTuple):
    """What is told of one thing; ``age`` is in seconds, and ``idle`` is the kind of a client that asks for nothing.

    ``pool`` and ``server`` are empty where there is none (yet). ``about`` is the beginning of what it is about: the
    request, the name that a TLS client asked for, or what it waits for.
    """

    id: str
    kind: str
    listener: str
    client: str
    pool: str
    server: str
    age: float
    bytes_in: int
    bytes_out: int
    about: str

    def __str__(self) -> str:
        server = f" with {self.pool}/{self.server}" if self.server else ""
        return f"{self.id} ({self.kind} of {self.client or 'a client that left'}{server})"


class Wanted(NamedTuple):
    """Which are asked for; what is empty says nothing. ``idle`` is whether clients that ask for nothing are, too."""

    pool: str = ""
    server: str = ""
    listener: str = ""
    client: str = ""
    idle: bool = False

    def fits(self, entry: Entry) -> bool:
        """Whether one is asked for."""
        return (
            self.pool in ("", entry.pool)
            and self.server in ("", entry.server, plain_name(entry.server))
            and self.listener in ("", entry.listener)
            and (self.idle or entry.kind != IDLE)
            and (not self.client or is_of_client(entry.client, self.client))
        )

    @property
    def is_narrow(self) -> bool:
        """Whether anything is said but about idle clients."""
        return bool(self.pool or self.server or self.listener or self.client)

    def __str__(self) -> str:
        named = [(name, value) for name, value in self._asdict().items() if name != "idle" and value]
        return " ".join(f"{name}={value}" for name, value in named) or "all"


def plain_name(server: str) -> str:
    """The name of a server in the file, of one that stands for a further address of it, too."""
    return server.partition("@")[0]


def is_of_client(client: str, wanted: str) -> bool:
    """Whether a client is the one of that address, with its port or without."""
    return client == wanted or client.startswith((f"{wanted}:", f"[{wanted}]:")) or client == f"[{wanted}]"


def make_id(process: int, number: str) -> str:
    """The id of a thing with that number in a process."""
    return f"{process}-{number}"


def read_id(text: str) -> tuple[int, str] | None:
    """The process and the number of an id; None where it is none."""
    found = _ID.fullmatch(text)
    return None if found is None else (int(found[1]), found[2])


def number_of(count: int) -> str:
    """A number as it stands in an id."""
    digits = ""
    while count or not digits:
        count, rest = divmod(count, len(_DIGITS))
        digits = _DIGITS[rest] + digits
    return digits


def cut_short(text: str) -> str:
    """No more of a text than is told."""
    return text if len(text) <= LONGEST_ABOUT else text[: LONGEST_ABOUT - 1] + "…"


_Key = Callable[[Entry], Any]
#: In which order: the oldest first, the most bytes first, by pool and server.
SORTS: dict[str, _Key] = {
    "age": lambda one: -one.age,
    "bytes": lambda one: -(one.bytes_in + one.bytes_out),
    "server": lambda one: (one.pool, one.server, -one.age),
}


class Foremost:
    """The foremost of many in an order, ``limit`` of them at most, however many there are."""

    def __init__(self, sort: str, limit: int) -> None:
        self._key = SORTS[sort]
        self._limit = limit
        self._kept: list[Entry] = []
        #: How many there were.
        self.total = 0

    def add(self, entries: Iterable[Entry]) -> None:
        """Take more; never more than twice as many as are wanted stay in memory."""
        for entry in entries:
            self.total += 1
            self._kept.append(entry)
            if len(self._kept) >= 2 * self._limit + 100:
                self._cut()

    def take(self, other: Foremost) -> None:
        """Take over what another has seen."""
        self.total += other.total
        self._kept += other._kept
        self._cut()

    def in_order(self) -> list[Entry]:
        """Them, the foremost first."""
        self._cut()
        return list(self._kept)

    def _cut(self) -> None:
        self._kept.sort(key=self._key)
        del self._kept[self._limit :]

    def __repr__(self) -> str:
        return f"<Foremost {len(self._kept)} of {self.total}>"
