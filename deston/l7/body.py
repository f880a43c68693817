"""Bodies as they stream: from a server's connection, and from a client for one or several tries.

What lives here: readers for each framing, and the memory that makes a request replayable.
What must not: heads, retries, WSGI.
Invariant: at most one piece is in memory (a request's first 64 KiB besides); a body that ends early raises, so
that a short answer never looks whole.
"""

from __future__ import annotations

import re
from typing import Protocol

from deston.errors import BadResponse, ClientGone, ProtocolError, RequestTooLarge, StreamEnded
from deston.l7 import http1
from deston.l7.http1 import Framing
from deston.net.stream import ByteStream

# One read from a server: large enough that the calls do not count, small enough for a thousand at once.
PIECE = 64 * 1024
LARGEST_REPLAY = 64 * 1024
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Incoming:
    """A connection's bytes with what was read too far: whole lines, then the rest."""

    __slots__ = ("_buffer", "_start", "stream")

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._buffer = b""
        self._start = 0  # What stands before it was read; it is cut off only when more comes, else tiny reads cost.

    @property
    def is_empty(self) -> bool:
        return self._start == len(self._buffer)

    def has_more(self) -> bool:
        """Whether anything comes before the end of the stream; waits for it."""
        try:
            if self.is_empty:
                self._fill()
        except StreamEnded:
            return False
        return True

    def drop_empty_lines(self, most: int) -> None:
        """Pass over so many empty lines at most that are there already; old clients send one behind a body."""
        for _ in range(most):
            if self._buffer[self._start : self._start + 2] != b"\r\n":
                return
            self._take(2)

    def skip_empty_lines(self, most: int) -> None:
        """Pass over so many empty lines at most, as far as they are there (RFC 9112 section 2.2)."""
        for _ in range(most):
            while len(self._buffer) - self._start < 2 and self._buffer[self._start :] in (b"", b"\r"):
                self._fill()
            if self._buffer[self._start : self._start + 2] != b"\r\n":
                return
            self._take(2)

    def read_until(
        self, end: bytes, most: int, error: type[ProtocolError], malformed: type[ProtocolError] | None = None
    ) -> bytes:
        """Everything up to and including ``end``, which ends in CRLF.

        Raises ``error`` where that is more than ``most`` bytes, ``malformed`` (or ``error``) where a line ends in a
        bare LF, ``StreamEnded`` where the stream ends before.
        """
        searched = 0
        while True:
            index = self._buffer.find(end, self._start + searched)
            if index >= 0:
                break
            there = len(self._buffer) - self._start
            # A server that takes a bare LF for the end of a line has said all; waiting would only make it a timeout.
            if there > most:
                raise error(f"more than {most} bytes")
            if _BARE_LF.search(self._buffer, self._start + searched):
                raise (malformed or error)("a bare LF")
            searched = max(0, there - len(end) + 1)
            self._fill()
        count = index + len(end) - self._start
        if count > most:
            raise error(f"more than {most} bytes")
        return self._take(count)

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes; empty at the end of the stream."""
        return self.stream.read(limit) if self.is_empty else self._take(limit)

    def rest(self) -> bytes:
        """What was read too far, taken out."""
        return self._take(len(self._buffer) - self._start)

    def read_exactly(self, count: int) -> bytes:
        """So many bytes; raises ``StreamEnded`` where the stream ends before."""
        while len(self._buffer) - self._start < count:
            self._fill()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        end = self._start + count
        found = self._buffer[self._start : end]
        if end < len(self._buffer):
            self._start = end
        else:
            self._buffer, self._start = b"", 0
        return found

    def _fill(self) -> None:
        more = self.stream.read(PIECE)
        if not more:
            raise StreamEnded("the connection ended where more had to come")
        self._buffer, self._start = self._buffer[self._start :] + more, 0


class ResponseBody(Protocol):
    """A response's body; ``complete`` once its end was found."""

    complete: bool

    def read(self) -> bytes:
        """The next piece as it comes; empty at the end. Raises ``StreamError`` where it breaks off."""


class NoBody:
    """The body of a response that has none."""

    complete = True

    def read(self) -> bytes:
        return b""


class LengthBody:
    """A body of a known length."""

    def __init__(self, incoming: Incoming, length: int) -> None:
        self.complete = False
        self._incoming = incoming
        self._rest = length

    def read(self) -> bytes:
        if not self._rest:
            return b""
        piece = self._incoming.read(min(self._rest, PIECE))
        if not piece:
            raise StreamEnded(f"the body ended {self._rest} bytes early")
        self._rest -= len(piece)
        self.complete = not self._rest
        return piece


class ChunkedBody:
    """A body in chunks; trailers are read and dropped. ``error`` is raised for what is malformed."""

    def __init__(self, incoming: Incoming, error: type[ProtocolError] = BadResponse) -> None:
        self.complete = False
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
            http1.parse_fields(line, 1, self._error)
            left -= len(line)


class CloseBody:
    """A body that ends with its connection."""

    def __init__(self, incoming: Incoming) -> None:
        self.complete = False
        self._incoming = incoming

    def read(self) -> bytes:
        piece = b"" if self.complete else self._incoming.read(PIECE)
        self.complete = not piece
        return piece


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


class RequestBody:
    """A client's body: read once, and from memory again as long as that holds all that was read.

    ``length`` is the number of bytes, or None for a body in chunks of unknown length; ``most`` is how many there may
    be, 0 for no limit.
    """

    __slots__ = ("_kept", "_position", "_read", "_source", "length", "most", "replayable")

    def __init__(self, source: Source | None, length: int | None) -> None:
        self.length = length
        self.most = 0
        self.replayable = True
        self._source = source
        self._kept: list[bytes] = []
        self._position = 0
        self._read = 0

    @property
    def is_empty(self) -> bool:
        return self.length == 0

    @property
    def is_read(self) -> bool:
        """Whether its end was reached, so that what follows on the connection is the next request."""
        return self._source is None or self._read == self.length

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
        if self._source is None or left == 0:
            return b""
        piece = self._source.read(PIECE if left is None else min(left, PIECE))
        if not piece and left:
            raise ClientGone(f"the client's body ended {left} bytes early")
        if not piece:
            self._source = None  # A second read beyond the end would wait, with some WSGI servers.
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
