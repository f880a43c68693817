"""One request on its way through the rules of its listener.

What lives here: what is found out about it, and what becomes of it, step by step.
What must not: the steps (``site``).
Invariant: ``came`` is what the client sent; everything that is changed is beside it.
"""

from __future__ import annotations

from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.l7.fields import Field, Fields
from deston.l7.header_rules import Values
from deston.l7.request import Request
from deston.l7.way import Way


class Asked:
    """One request on its way through the rules."""

    __slots__ = (
        "came", "client", "counted", "fields", "host", "pool", "request", "server", "target", "told", "trusted",
        "values", "way",
    )  # fmt: skip

    def __init__(self, request: Request, fields: Fields) -> None:
        self.request = request
        self.came = fields
        self.fields: list[Field] = fields
        self.host = b""
        self.target = request.target
        self.trusted = False
        self.client = request.peer
        self.values = Values(request, b"", request.peer)
        #: What the client is counted as while its request is under way.
        self.counted = ""
        #: Fields that every response to it has.
        self.told: list[Field] = []
        self.way: Way | None = None
        self.pool: Pool | None = None
        self.server: Server | None = None
