"""A request's body as it comes from a client's connection.

What lives here: its framing and deadline, and the moment at which a client that waits for it is told to send.
What must not: replay and limits (``body``), what becomes of the body.
Invariant: errors are in our terms; a client is told to go ahead once at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from greenlet import getcurrent

from deston.errors import BadRequest, ClientGone, ReadTimeout, RequestTimeout, StreamError
from deston.l7.body import ChunkedBody
from deston.l7.fields import Field
from deston.l7.http1 import GO_AHEAD, Framing
from deston.l7.incoming import Incoming
from deston.net.byte_stream import ByteStream

# How long a server that was asked may take to want a body or refuse it, in seconds: as long as curl waits before it
# sends unasked. A server that knows no expectations says nothing.
PATIENCE: Final = 1.0


class ClientBody:
    """The body of one request; ``waits`` is whether the client waits for 100 Continue (RFC 9110 section 10.1.1)."""

    __slots__ = ("_chunks", "_incoming", "_seconds", "_waits")

    def __init__(self, incoming: Incoming, seconds: float, framing: Framing, waits: bool) -> None:
        self._incoming = incoming
        self._seconds = seconds
        self._chunks = ChunkedBody(incoming, BadRequest) if framing is Framing.CHUNKED else None
        self._waits = waits

    @property
    def trailers(self) -> Sequence[Field]:
        """The fields behind a body in chunks, once its end was read."""
        return () if self._chunks is None else self._chunks.trailers

    @property
    def can_go_on(self) -> bool:
        """Whether it can be waited for while a response is on its way: a client that waits would then never send it."""
        return not self._waits

    def go_ahead(self) -> bool:
        """The server wants the body; whether the client waits to be told so, once."""
        waits, self._waits = self._waits, False
        return waits

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes; empty at the end."""
        stream = self._incoming.stream
        if self._waits:
            self._tell_to_send()
        stream.expire_after(self._seconds)
        try:
            return self._incoming.read(limit) if self._chunks is None else self._chunks.read()
        except ReadTimeout:
            raise RequestTimeout("the client's body did not come in time") from None
        except StreamError as error:
            raise ClientGone(f"the client's body cannot be read: {error}") from error

    def is_at_hand(self) -> bool:
        """Whether something of it has come."""
        has_come = not self._incoming.is_empty if self._chunks is None else self._chunks.is_at_hand()
        return has_come or self._incoming.stream.has_input()

    def wait_with(self, other: ByteStream) -> None:
        """Wait until something of it has come, or something of ``other``.

        A client that waits for a server which says nothing is told to send after a second.
        """
        stream = self._incoming.stream
        stream.expire_after(min(self._seconds, PATIENCE) if self._waits else self._seconds)
        other.watch(getcurrent().switch)
        try:
            stream.wait_readable()
            return
        except ReadTimeout:
            if not self._waits:
                raise RequestTimeout("the client's body did not come in time") from None
        except StreamError as error:
            raise ClientGone(f"the client's body cannot be read: {error}") from error
        finally:
            other.watch(None)
        self._tell_to_send()

    def _tell_to_send(self) -> None:
        self._waits = False
        if not self._incoming.is_empty:
            return
        try:
            self._incoming.stream.write(GO_AHEAD)
        except StreamError as error:
            raise ClientGone(f"100 Continue cannot be sent: {error}") from error
