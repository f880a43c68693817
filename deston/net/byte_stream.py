"""What the protocols need of a connection.

What lives here: the base that sockets, TLS and the scripted fake of tests all have.
What must not: any of them.
Invariant: whoever is handed a ``ByteStream`` asks nothing else of it. It is a base, and no protocol, because a compiler
calls the methods of a base directly, and looks up those of a protocol by their names.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from deston.errors import DestonError

Bytes = bytes | bytearray | memoryview


class ByteStream:
    """A connection, as a greenlet reads and writes it."""

    __slots__ = ()

    @abstractmethod
    def limit_writes(self, seconds: float) -> None:
        """How long the peer may take nothing of what is written, from when it does not; 0 for the deadline alone."""

    @abstractmethod
    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes, at least one; empty at the end of the stream."""

    @abstractmethod
    def read_when_ready(self, limit: int) -> bytes:
        """As ``read``, for what is hardly there yet."""

    @abstractmethod
    def read_some(self, buffer: memoryview) -> Bytes:
        """As ``read``, into ``buffer`` where that can be; what comes back is a part of it, or bytes of their own."""

    @abstractmethod
    def write(self, data: Bytes) -> None:
        """Send all of ``data``."""

    @abstractmethod
    def write_both(self, first: bytes, second: Bytes) -> None:
        """Send two pieces, one behind the other, and make no third of them where they are large."""

    @abstractmethod
    def write_shared(self, data: Bytes) -> bool:
        """As ``write``, for what is somebody else's after the next wait; whether all was taken without one."""

    @abstractmethod
    def expire_after(self, seconds: float, now: float = 0.0) -> None:
        """Give what is waited for from now on so much time; ``math.inf`` for no limit.

        ``now`` is the time on the monotonic clock, where it is known: to look at it again would cost a call.
        """

    @abstractmethod
    def is_quiet(self) -> bool:
        """Whether the peer has neither sent anything unasked nor closed: fit to be used again."""

    @property
    @abstractmethod
    def has_been_quiet(self) -> bool:
        """Whether nothing was seen of the peer since the last wait for it: weaker, but it costs nothing."""

    @abstractmethod
    def has_input(self) -> bool:
        """Whether a read would return at once, be it with bytes or with the end."""

    @abstractmethod
    def has_ended(self) -> bool:
        """Whether the peer has ended or broken off, and nothing of it is left to read."""

    @abstractmethod
    def is_broken(self) -> bool:
        """Whether the peer has broken off, in both directions."""

    @abstractmethod
    def send_at_once(self, data: Bytes) -> int:
        """Send what is taken without waiting, and say how much; nothing where that cannot be."""

    @abstractmethod
    def wait_readable(self) -> None:
        """Wait until the peer has sent something, or ended."""

    @abstractmethod
    def watch(self, callback: Callable[[], object] | None) -> None:
        """Have ``callback`` called by the hub when the peer sends something or ends, until None is given, or a read."""

    @abstractmethod
    def interrupt(self, error: DestonError) -> None:
        """Wake the greenlet that waits on the stream, if there is one, with ``error``; for the hub's callbacks."""

    @abstractmethod
    def close(self) -> None:
        """Close; a second call does nothing."""

    @abstractmethod
    def abort(self) -> None:
        """Close with a reset, so that the peer cannot take what came for all."""
