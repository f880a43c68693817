"""Queries and cookies: what stands in them by name. Pure.

What lives here: reading them as applications do.
What must not: what follows from them.
Invariant: nothing is ever wrong with a query or a cookie: what cannot be read is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qs

# Those beyond that are no business of a route.
MOST_PARAMETERS = 1000


def parameters(query: str) -> dict[str, list[str]]:
    """The values of each parameter of a query, decoded; ``name`` alone has an empty one."""
    if query.count("&") >= MOST_PARAMETERS:
        query = "&".join(query.split("&", MOST_PARAMETERS)[:MOST_PARAMETERS])
    return parse_qs(query, keep_blank_values=True, encoding="utf-8")


def cookie(lines: Iterable[bytes], name: bytes) -> bytes:
    """The value of the first cookie of a name in the values of ``Cookie``; empty where there is none."""
    for line in lines:
        for pair in line.split(b";"):
            key, equals, value = pair.partition(b"=")
            if equals and key.strip(b" \t") == name:
                return value.strip(b" \t")
    return b""


def without_cookie(line: bytes, name: bytes) -> bytes:
    """The value of a ``Cookie`` field without the cookies of a name; empty where nothing else is in it."""
    kept = [pair.strip(b" \t") for pair in line.split(b";") if pair.partition(b"=")[0].strip(b" \t") != name]
    return b"; ".join(kept)
