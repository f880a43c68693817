"""The preface: what a client sends before its first byte for the server.

What lives here: reading a PROXY protocol header and looking at a ClientHello, within one deadline and a bound.
What must not: the formats themselves, and what is done with them.
Invariant: no byte is lost: what was read and not consumed is in ``rest``, and belongs to the server.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeVar

from deston.errors import ClientGone, PrefaceTimeout, ProtocolError, ReadTimeout
from deston.net.byte_stream import ByteStream

# One read; most prefaces are smaller.
PIECE: Final = 4096

Value = TypeVar("Value")


class Preface:
    """What one client sends first. ``seconds`` is the time for all of it, from the first read on.

    The stream's deadline goes on to hold afterwards, for a handshake that follows, until ``end``.
    """

    __slots__ = ("_is_timed", "_seconds", "_stream", "rest")

    def __init__(self, stream: ByteStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._is_timed = False
        self.rest = b""

    def take(self, parse: Callable[[bytes], tuple[Value, int] | None], longest: int) -> Value:
        """Consume what ``parse`` reads, which answers None where it needs more bytes, up to ``longest``.

        Raises what ``parse`` raises, ``PrefaceTimeout``, ``ClientGone`` and the stream's own errors.
        """
        value, length = self.look(parse, longest)
        self.rest = self.rest[length:]
        return value

    def look(self, parse: Callable[[bytes], Value | None], longest: int) -> Value:
        """As ``take``, but everything stays in ``rest``."""
        while True:
            found = parse(self.rest)
            if found is not None:
                return found
            if len(self.rest) >= longest:
                raise ProtocolError(f"the client's first message is longer than {longest} bytes")
            self._read(longest)

    def end(self) -> None:
        """All was said in time."""
        if self._is_timed:
            self._stream.expire_after(math.inf)

    def _read(self, longest: int) -> None:
        if not self._is_timed:
            self._is_timed = True
            self._stream.expire_after(self._seconds)
        try:
            data = self._stream.read(min(PIECE, longest - len(self.rest)))
        except ReadTimeout:
            raise PrefaceTimeout("the client's first message was not complete in time") from None
        if not data:
            raise ClientGone("the client left before its first message was complete")
        self.rest += data

    def __repr__(self) -> str:
        return f"<Preface {len(self.rest)} bytes ahead>"
