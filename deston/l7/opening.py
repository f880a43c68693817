"""How a request begins, for any server of its pool.

What lives here: all that its head is made of, and the bytes for one server.
What must not: what goes into the lines (``proxy``), the body.
Invariant: the servers that a request is tried on get the same but for the Host.
"""

from __future__ import annotations

from deston.balancer.pool import Pool
from deston.balancer.server import Server
from deston.l7.http1 import request_head
from deston.l7.rewriting import host_for


class Opening:
    """The head of a request; ``lines`` are those of all fields but Host."""

    __slots__ = ("_host", "_lines", "_method", "_pool", "_target")

    def __init__(self, pool: Pool, method: bytes, target: bytes, host: bytes, lines: bytes) -> None:
        self._pool = pool
        self._method = method
        self._target = target
        self._host = host
        self._lines = lines

    def to(self, server: Server) -> bytes:
        """The bytes with which the request begins for a server."""
        return request_head(self._method, self._target, host_for(self._pool, server, self._host), self._lines)
