"""What the protocols need of a connection.

What lives here: the interface that sockets, TLS and the scripted fake of tests all have.
What must not: any of them.
Invariant: whoever is handed a ``ByteStream`` asks nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from deston.errors import DestonError

Bytes = bytes | bytearray | memoryview


class ByteStream(Protocol):
    """A connection, as a greenlet reads and writes it."""

    def limit_writes(self, seconds: float) -> None:
        """How long the peer may take nothing of what is written, from when it does not; 0 for the deadline alone."""

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes, at least one; empty at the end of the stream."""

    def read_when_ready(self, limit: int) -> bytes:
        """As ``read``, for what is hardly there yet."""

    def read_some(self, buffer: memoryview) -> Bytes:
        """As ``read``, into ``buffer`` where that can be; what comes back is a part of it, or bytes of their own."""

    def write(self, data: Bytes) -> None:
        """Send all of ``data``."""

    def write_both(self, first: bytes, second: Bytes) -> None:
        """Send two pieces, one behind the other, and make no third of them where they are large."""

    def write_shared(self, data: Bytes) -> bool:
        """As ``write``, for what is somebody else's after the next wait; whether all was taken without one."""

    def expire_after(self, seconds: float) -> None:
        """Give what is waited for from now on so much time; ``math.inf`` for no limit."""

    def is_quiet(self) -> bool:
        """Whether the peer has neither sent anything unasked nor closed: fit to be used again."""

    @property
    def has_been_quiet(self) -> bool:
        """Whether nothing was seen of the peer since the last wait for it: weaker, but it costs nothing."""

    def has_input(self) -> bool:
        """Whether a read would return at once, be it with bytes or with the end."""

    def has_ended(self) -> bool:
        """Whether the peer has ended or broken off, and nothing of it is left to read."""

    def is_broken(self) -> bool:
        """Whether the peer has broken off, in both directions."""

    def send_at_once(self, data: Bytes) -> int:
        """Send what is taken without waiting, and say how much; nothing where that cannot be."""

    def wait_readable(self) -> None:
        """Wait until the peer has sent something, or ended."""

    def watch(self, callback: Callable[[], object] | None) -> None:
        """Have ``callback`` called by the hub when the peer sends something or ends, until None is given, or a read."""

    def interrupt(self, error: DestonError) -> None:
        """Wake the greenlet that waits on the stream, if there is one, with ``error``; for the hub's callbacks."""

    def close(self) -> None:
        """Close; a second call does nothing."""

    def abort(self) -> None:
        """Close with a reset, so that the peer cannot take what came for all."""
