"""A scripted byte stream: what a peer does is told beforehand, and what it is sent is kept.

What lives here: the stand-in for a connection in tests of protocols, ours and those of users who extend Deston.
What must not: sockets, greenlets, time. Nothing here ever waits.
Invariant: it does what ``ByteStream`` says, and nothing that a socket could not do.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterable

from deston.errors import DestonError, ReadTimeout, StreamReset
from deston.net.byte_stream import Bytes, ByteStream


class FakeStream(ByteStream):
    """Reads from a script, keeps what is written.

    ``reads`` are the pieces in which the peer's bytes arrive (a piece larger than a read's limit is split), and the
    errors that reads end with; after the last of them the stream has ended. The peer takes ``takes`` bytes, and a
    write that goes beyond raises ``write_error``. ``speaks_after`` is the number of bytes written after which the
    peer has sent something, unasked or early; ``quiet`` says whether the connection is fit to be used again, and
    ``has_been_quiet`` whether it looks so to who does not ask it; that is the same where it is not told.
    ``deadlines`` are the times given by ``expire_after``, in seconds, each with how many bytes were written before.
    """

    def __init__(
        self,
        reads: Iterable[bytes | BaseException] = (),
        *,
        takes: float = math.inf,
        write_error: BaseException | None = None,
        speaks_after: float = math.inf,
        quiet: bool = True,
        has_been_quiet: bool | None = None,
    ) -> None:
        self._script: list[bytes | BaseException] = [one for one in reads if one != b""]
        self._written = bytearray()
        self._takes = takes
        self._write_error = write_error or StreamReset(os.strerror(errno.EPIPE))
        self._speaks_after = speaks_after
        self.quiet = quiet
        self._has_been_quiet = has_been_quiet
        self.closed = False
        self.aborted = False
        #: Whether the peer has gone for good.
        self.broken = False
        self.write_timeout_s = 0.0
        self.deadlines: list[tuple[int, float]] = []
        self.watched: Callable[[], object] | None = None
        self.interrupted: DestonError | None = None

    @property
    def deadline_s(self) -> float | None:
        """The last of ``deadlines``, in seconds; None before the first."""
        return self.deadlines[-1][1] if self.deadlines else None

    @property
    def written(self) -> bytes:
        """All that the peer has taken."""
        return bytes(self._written)

    @property
    def is_used_up(self) -> bool:
        """Whether the whole script was read."""
        return not self._script

    def read(self, limit: int) -> bytes:
        """The next piece of the script, up to ``limit`` bytes of it; empty at its end."""
        self._require_open()
        if not self._script:
            return b""
        piece = self._script.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        if len(piece) > limit:
            self._script.insert(0, piece[limit:])
        return piece[:limit]

    def read_when_ready(self, limit: int) -> bytes:
        """As ``read``: nothing ever waits here."""
        return self.read(limit)

    def write(self, data: Bytes) -> None:
        """Keep ``data``; raises ``write_error`` where the peer does not take all of it."""
        self._require_open()
        room = self._takes - len(self._written)
        if len(data) <= room:
            self._written += data
            return
        taken = int(room)
        self._written += data[:taken]
        raise self._write_error

    def read_some(self, buffer: memoryview) -> Bytes:
        """As ``read``, up to the size of ``buffer``."""
        return self.read(len(buffer))

    def write_both(self, first: bytes, second: Bytes) -> None:
        """As one ``write``."""
        self.write(first + second)

    def write_shared(self, data: Bytes) -> bool:
        """As ``write``, which never waits here."""
        self.write(data)
        return True

    def limit_writes(self, seconds: float) -> None:
        self.write_timeout_s = seconds

    def expire_after(self, seconds: float, now: float = 0.0) -> None:
        """Add ``seconds`` to ``deadlines``; no clock runs here."""
        self.deadlines.append((len(self._written), seconds))

    def is_quiet(self) -> bool:
        """What ``quiet`` says, while open."""
        return self.quiet and not self.closed

    @property
    def has_been_quiet(self) -> bool:
        """What was told of it, else what ``is_quiet`` says."""
        return self.is_quiet() if self._has_been_quiet is None else self._has_been_quiet

    def has_input(self) -> bool:
        """Whether ``speaks_after`` was reached, or the peer is not quiet."""
        return not self.quiet or len(self._written) >= self._speaks_after

    def has_ended(self) -> bool:
        """Whether the script is over."""
        return not self._script

    def is_broken(self) -> bool:
        """What ``broken`` says."""
        return self.broken

    def send_at_once(self, data: Bytes) -> int:
        """Keep ``data``, all of it, while open."""
        if self.closed:
            return 0
        self._written += data
        return len(data)

    def wait_readable(self) -> None:
        """Nothing ever waits here."""

    def watch(self, callback: Callable[[], object] | None) -> None:
        """Keep ``callback`` as ``watched``; the test calls it."""
        self.watched = callback

    def interrupt(self, error: DestonError) -> None:
        """Keep ``error`` as ``interrupted``: no greenlet waits here."""
        self.interrupted = error

    def close(self) -> None:
        """Close; a second call does nothing."""
        self.closed = True

    def abort(self) -> None:
        """Close with a reset; nothing once closed."""
        self.aborted = self.aborted or not self.closed
        self.closed = True

    def _require_open(self) -> None:
        if self.closed:
            raise StreamReset(os.strerror(errno.EBADF))

    def __repr__(self) -> str:
        state = "aborted" if self.aborted else "closed" if self.closed else "open"
        return f"<FakeStream {state}, {len(self._script)} reads left, {len(self._written)} bytes written>"


class FakeStreamInTurn(FakeStream):
    """Says each piece once so many bytes were sent to it, or once what it waits for was.

    ``turns`` are what it waits for, as a number of bytes or as the end of what was written, with what it says then. A
    read before its turn raises ``ReadTimeout``: where a socket would wait for ever, a standstill is seen at once.
    """

    def __init__(self, *turns: tuple[int | bytes, bytes]) -> None:
        super().__init__(piece for _, piece in turns)
        self._cues = [cue for cue, piece in turns if piece]

    def read(self, limit: int) -> bytes:
        """The next piece, once it is due."""
        if self._cues and not self._is_due():
            raise ReadTimeout("nothing moves any more")
        before = len(self._script)
        data = super().read(limit)
        if self._cues and len(self._script) < before:
            self._cues.pop(0)
        return data

    def has_input(self) -> bool:
        """Whether the next piece is due."""
        return bool(self._cues) and self._is_due()

    def _is_due(self) -> bool:
        cue = self._cues[0]
        return self.written.endswith(cue) if isinstance(cue, bytes) else len(self.written) >= cue
