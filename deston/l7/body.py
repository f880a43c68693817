"""Bodies as they stream: from a server's connection, and from a client for one or several tries.

What lives here: readers for each framing, and the memory that makes a request replayable.
What must not: heads, retries, WSGI.
Invariant: at most one piece is in memory (a request's first 64 KiB besides); a body that ends early raises, so
that a short answer never looks whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from deston.errors import BadResponse, ClientGone, ProtocolError, RequestTooLarge, StreamEnded
from deston.l7 import http1
from deston.l7.fields import Field
from deston.l7.http1 import Framing
from deston.l7.incoming import PIECE, Incoming
from deston.net.byte_stream import Bytes, ByteStream

LARGEST_REPLAY: Final = 64 * 1024


class ResponseBody(Protocol):
    """A response's body; ``complete`` once its end was found."""

    complete: bool

    @property
    def trailers(self) -> Sequence[Field]:
        """The fields behind a body in chunks, once it is complete."""

    def read(self) -> bytes:
        """The next piece as it comes; empty at the end. Raises ``StreamError`` where it breaks off."""

    def read_some(self, buffer: memoryview) -> Bytes:
        """As ``read``, into ``buffer`` where that can be."""

    def is_at_hand(self) -> bool:
        """Whether something of it, or its end, is here already."""


class NoBody:
    """The body of a response that has none."""

    complete = True
    trailers: Sequence[Field] = ()

    def read(self) -> bytes:
        return b""

    def read_some(self, buffer: memoryview) -> Bytes:
        return b""

    def is_at_hand(self) -> bool:
        return True


class LengthBody:
    """A body of a known length."""

    trailers: Sequence[Field] = ()

    def __init__(self, incoming: Incoming, length: int) -> None:
        self.complete = False
        self._incoming = incoming
        self._rest = length

    def read(self) -> bytes:
        if not self._rest:
            return b""
        piece = self._incoming.read(min(self._rest, PIECE))
        self._count(len(piece))
        return piece

    def read_some(self, buffer: memoryview) -> Bytes:
        if not self._rest:
            return b""
        piece = self._incoming.read_some(buffer if len(buffer) <= self._rest else buffer[: self._rest])
        self._count(len(piece))
        return piece

    def is_at_hand(self) -> bool:
        return not self._incoming.is_empty

    def _count(self, read: int) -> None:
        if not read:
            raise StreamEnded(f"the body ended {self._rest} bytes early")
        self._rest -= read
        self.complete = not self._rest


class ChunkedBody:
    """A body in chunks; ``trailers`` are there once it is complete. ``error`` is raised for what is malformed."""

    def __init__(self, incoming: Incoming, error: type[ProtocolError] = BadResponse) -> None:
        self.complete = False
        self.trailers: list[Field] = []
        self._error = error
        self._incoming = incoming
        self._within = False
        self._rest = 0

    def read(self) -> bytes:
        if self.complete or not (self._rest or self._next_chunk()):
            return b""
        piece = self._incoming.read(min(self._rest, PIECE))
        if not piece:
            raise StreamEnded("the body ended within a chunk")
        self._rest -= len(piece)
        return piece

    def read_some(self, buffer: memoryview) -> Bytes:
        return self.read()

    def is_at_hand(self) -> bool:
        # The line end of a chunk that was read is no more of the body.
        return self._incoming.available > (2 if self._within and not self._rest else 0)

    def _next_chunk(self) -> bool:
        # The line end of the chunk before is read only now, so that nobody waits for it with a piece in hand.
        if self._within and self._incoming.read_exactly(2) != b"\r\n":
            raise self._error("a chunk is longer than its size")
        line = self._incoming.read_until(b"\r\n", http1.LARGEST_CHUNK_LINE, self._error)
        self._within = True
        self._rest = http1.parse_chunk_size(line, self._error)
        if not self._rest:
            self._read_trailers()
            self.complete = True
        return not self.complete

    def _read_trailers(self) -> None:
        left = http1.LARGEST_TRAILERS
        while True:
            line = self._incoming.read_until(b"\r\n", left, self._error)
            if line == b"\r\n":
                return
            self.trailers += http1.parse_fields(line, 1, self._error)
            left -= len(line)


class CloseBody:
    """A body that ends with its connection."""

    trailers: Sequence[Field] = ()

    def __init__(self, incoming: Incoming) -> None:
        self.complete = False
        self._incoming = incoming

    def read(self) -> bytes:
        piece = b"" if self.complete else self._incoming.read(PIECE)
        self.complete = not piece
        return piece

    def read_some(self, buffer: memoryview) -> Bytes:
        piece = b"" if self.complete else self._incoming.read_some(buffer)
        self.complete = not piece
        return piece

    def is_at_hand(self) -> bool:
        return not self._incoming.is_empty


def response_body(framing: Framing, length: int, incoming: Incoming) -> ResponseBody:
    """The reader for a framing."""
    if framing is Framing.NONE:
        return NoBody()
    if framing is Framing.LENGTH:
        return LengthBody(incoming, length)
    return ChunkedBody(incoming) if framing is Framing.CHUNKED else CloseBody(incoming)


class Source(Protocol):
    """Where a request's body comes from."""

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes; empty at the end."""

    @property
    def trailers(self) -> Sequence[Field]:
        """The fields behind a body in chunks, once its end was read."""

    @property
    def can_go_on(self) -> bool:
        """Whether it can be waited for while a response is on its way."""

    def is_at_hand(self) -> bool:
        """Whether a read would return at once, or nothing else can be done but to read."""

    def wait_with(self, other: ByteStream) -> None:
        """Wait until a read would return, or one of ``other``."""


class RequestBody:
    """A client's body: read once, and from memory again as long as that holds all that was read.

    ``length`` is the number of bytes, or None for a body in chunks of unknown length; ``most`` is how many there may
    be, 0 for no limit.
    """

    __slots__ = ("_is_read", "_kept", "_position", "_read", "_source", "length", "most", "replayable")

    def __init__(self, source: Source | None, length: int | None) -> None:
        self.length = length
        self.most = 0
        self.replayable = True
        self._source = source
        self._is_read = source is None
        self._kept: list[bytes] = []
        self._position = 0
        self._read = 0

    @property
    def is_empty(self) -> bool:
        return self.length == 0

    @property
    def is_read(self) -> bool:
        """Whether its end was reached, so that what follows on the connection is the next request."""
        return self._is_read or self._read == self.length

    @property
    def trailers(self) -> Sequence[Field]:
        """The fields behind a body in chunks, once its end was read."""
        return () if self._source is None else self._source.trailers

    @property
    def can_go_on(self) -> bool:
        """Whether something is left of it that can be waited for while a response is on its way."""
        return not self.is_sent and self._source is not None and self._source.can_go_on

    @property
    def is_sent(self) -> bool:
        """Whether nothing is left to read, be it from the client or from memory."""
        return self.is_read and self._position >= len(self._kept)

    def is_at_hand(self) -> bool:
        """Whether a read would return at once: with a piece, or with the end."""
        return self._position < len(self._kept) or self.is_read or self._source is None or self._source.is_at_hand()

    def wait_with(self, other: ByteStream) -> None:
        """Wait until a read would return, or one of ``other``."""
        if self._source is not None:
            self._source.wait_with(other)

    @property
    def received(self) -> int:
        """How many bytes came."""
        return self._read

    def kept(self) -> bytes | None:
        """All of it, where it was read to its end and is still in memory."""
        return b"".join(self._kept) if self.is_read and self.replayable else None

    def rewind(self) -> None:
        """Begin again; only while ``replayable``."""
        self._position = 0

    def read(self) -> bytes:
        """The next piece; empty at the end.

        Raises ``ClientGone`` where the client sent less than it announced, ``RequestTooLarge`` beyond ``most``.
        """
        if self._position < len(self._kept):
            piece = self._kept[self._position]
            self._position += 1
            return piece
        piece = self._read_on()
        self._keep(piece)
        return piece

    def _read_on(self) -> bytes:
        left = None if self.length is None else self.length - self._read
        if self._source is None or self._is_read or left == 0:
            return b""
        piece = self._source.read(PIECE if left is None else min(left, PIECE))
        if not piece and left:
            raise ClientGone(f"the client's body ended {left} bytes early")
        if not piece:
            self._is_read = True  # A second read beyond the end would wait, with some WSGI servers.
        self._read += len(piece)
        if self.most and self._read > self.most:
            raise RequestTooLarge(f"the body is over {self.most} bytes")
        return piece

    def _keep(self, piece: bytes) -> None:
        if not self.replayable or not piece:
            return
        if self._read > LARGEST_REPLAY:
            self.replayable = False
            self._kept.clear()
            self._position = 0
            return
        self._kept.append(piece)
        self._position += 1


#: What all requests without a body have; it holds nothing that moves.
NO_BODY: Final = RequestBody(None, 0)
