"""Whether a worker stops, for all of its connections.

What lives here: one value that each of them looks at, twice for each request: a question would be a call each time.
What must not: how a worker stops (``worker``), and what becomes of connections then.
Invariant: a worker that stops goes on to do so.
"""

from __future__ import annotations


class Stopping:
    """``is_on`` from when no further requests are to follow."""

    __slots__ = ("is_on",)

    def __init__(self, is_on: bool = False) -> None:
        self.is_on = is_on

    def __repr__(self) -> str:
        return f"<Stopping {self.is_on}>"
