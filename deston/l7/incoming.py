"""A connection's bytes as HTTP takes them: whole lines and heads first, then whatever comes.

What lives here: reading ahead, and looking for the end of what is wanted in what was read.
What must not: what the bytes mean (``http1``), and bodies.
Invariant: no byte is lost or given twice; at most what was asked for and one read are in memory.
"""

from __future__ import annotations

import re
from typing import Final

from deston.errors import ProtocolError, StreamEnded
from deston.net.byte_stream import Bytes, ByteStream

# One read: large enough that the calls do not count, small enough for a thousand at once.
PIECE: Final = 64 * 1024
# The first one also has a head in it.
FIRST_PIECE: Final = PIECE + 8 * 1024
_WORTH_A_VIEW: Final = 16 * 1024
_ENDED: Final = "the connection ended where more had to come"
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


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

    @property
    def available(self) -> int:
        """How many bytes were read too far."""
        return len(self._buffer) - self._start

    def take(self, end: bytes, most: int) -> bytes:
        """Everything up to and including ``end`` where all of that is there already, else nothing."""
        index = self._buffer.find(end, self._start, self._start + most)
        return b"" if index < 0 else self._take(index + len(end) - self._start)

    def put_back(self, data: bytes) -> None:
        """Have ``data``, which was taken last, to be read again."""
        if data:
            self._buffer, self._start = data + self._buffer[self._start :], 0

    def take_whole(self, count: int) -> Bytes | None:
        """So many bytes where they are all that is there, and None otherwise."""
        if len(self._buffer) - self._start != count:
            return None
        if count < _WORTH_A_VIEW:
            return self._take(count)
        view = memoryview(self._buffer)[self._start :]
        self._buffer, self._start = b"", 0
        return view

    def has_more(self) -> bool:
        """Whether anything comes before the end of the stream; waits for it."""
        if self._start == len(self._buffer):
            self._buffer, self._start = self.stream.read_when_ready(FIRST_PIECE), 0
        return bool(self._buffer)

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
        if not self.has_more():
            raise StreamEnded(_ENDED)
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

    def read_some(self, buffer: memoryview) -> Bytes:
        """As ``read``, into ``buffer`` where that can be."""
        return self.stream.read_some(buffer) if self.is_empty else self._take(len(buffer))

    def rest(self) -> bytes:
        """What was read too far, taken out."""
        return self._take(len(self._buffer) - self._start)

    def read_exactly(self, count: int) -> bytes:
        """So many bytes; raises ``StreamEnded`` where the stream ends before."""
        while len(self._buffer) - self._start < count:
            self._fill()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        buffer, start = self._buffer, self._start
        end = start + count
        if end < len(buffer):
            self._start = end
        else:
            self._buffer, self._start = b"", 0
        return buffer[start:end]

    def _fill(self) -> None:
        more = self.stream.read(PIECE)
        if not more:
            raise StreamEnded(_ENDED)
        self._buffer, self._start = self._buffer[self._start :] + more, 0
