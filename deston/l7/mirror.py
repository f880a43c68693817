"""Mirrors: copies of requests for another pool, whose answers are thrown away.

What lives here: which requests are copied, and what becomes of the copies.
What must not: how a request is sent (``proxy``).
Invariant: a copy costs the client nothing and never changes what it gets; how many are under way, and what they hold in
memory, is bounded.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

import gevent

from deston.config.http_rules import Mirror
from deston.errors import BadResponse, DestonError
from deston.l7.body import NO_BODY, RequestBody
from deston.l7.fields import Field
from deston.l7.request import Request, Response
from deston.net.byte_stream import ByteStream

log = logging.getLogger("deston.l7")

# Copies under way at one time; with 64 KiB each, four MiB of bodies.
MOST_COPIES = 64
# An answer that takes longer, in seconds, or is larger, in bytes, holds a place for nothing.
LONGEST, LARGEST = 60.0, 16 << 20

#: Sends a copy of a request to a pool by its name.
Send = Callable[[Request, str], Response]


class _Memory:
    """A body that is there as a whole."""

    __slots__ = ("_rest",)

    trailers: Sequence[Field] = ()
    can_go_on = False

    def __init__(self, body: bytes) -> None:
        self._rest = memoryview(body)

    def read(self, limit: int) -> bytes:
        piece, self._rest = bytes(self._rest[:limit]), self._rest[limit:]
        return piece

    def is_at_hand(self) -> bool:
        return True

    def wait_with(self, other: ByteStream) -> None:
        """There is nothing to wait for."""


class Mirroring:
    """The mirror of one route, and its account."""

    def __init__(self, config: Mirror, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._under_way = 0
        #: Copies that were answered, and of them those whose status was of another class than the client's.
        self.answered = 0
        self.differing = 0
        #: Copies that failed; requests that were not copied, for their bodies or because too many were under way.
        self.failed = 0
        self.dropped = 0

    def copy(self, request: Request, fields: list[Field], target: bytes, status: int, send: Send) -> None:
        """Send a copy of a request, which was answered with ``status``, where it is among those to be copied."""
        if self._config.share < 1.0 and self._rng.random() >= self._config.share:
            return
        body = _copied(request.body, self._config.max_body)
        if body is None or request.upgrade or self._under_way >= MOST_COPIES:
            self.dropped += 1
            return
        again = Request(
            request.listener, request.method, target, fields, body, request.peer, request.scheme,
            request.minor_version, identity=request.identity, added=request.added, is_copy=True,
        )  # fmt: skip
        self._under_way += 1
        gevent.spawn(self._send, again, status, send)

    def _send(self, request: Request, status: int, send: Send) -> None:
        try:
            response = send(request, self._config.pool)
            try:
                _read_out(response)
            finally:
                response.close()
        except DestonError as error:
            self.failed += 1
            log.debug("a copy for the pool %s failed: %s", self._config.pool, error)
        else:
            self.answered += 1
            self.differing += response.status // 100 != status // 100
        finally:
            self._under_way -= 1

    def __str__(self) -> str:
        return (
            f"copies for {self._config.pool}: answered {self.answered}, with another kind of status {self.differing}, "
            f"failed {self.failed}, dropped {self.dropped}"
        )


def _read_out(response: Response) -> None:
    """Read a response to its end, as far as that is worth it."""
    until, left = time.monotonic() + LONGEST, LARGEST
    while response.whole is None and (piece := response.read()):
        left -= len(piece)
        if left < 0 or time.monotonic() > until:
            raise BadResponse("its answer is endless")
        gevent.sleep(0)


def _copied(body: RequestBody, most: int) -> RequestBody | None:
    """A body once more, from memory; None where it is not there as a whole, or too large."""
    if body is NO_BODY:
        return NO_BODY
    kept = body.kept()
    if kept is None or len(kept) > most:
        return None
    return RequestBody(_Memory(kept), len(kept))
