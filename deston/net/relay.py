"""The relay: bytes both ways between two streams, until both ways have ended.

What lives here: copying, back-pressure, half-close, resets passed on, idle limits, byte counts.
What must not: opening or closing streams' owners, choosing servers, protocols.
Invariant: no byte is lost, added or reordered; a direction holds bytes of its own only while its target is
blocked, and reads nothing meanwhile. The greenlet that runs a relay sleeps: callbacks of the hub move the bytes,
through one scratch buffer, so none of them may switch between the read and the write.
"""

from __future__ import annotations

import enum
import time
from contextlib import suppress
from typing import Any

from gevent.hub import get_hub
from greenlet import getcurrent

from deston.errors import StreamError
from deston.net import hub as hubs
from deston.net.stream import Bytes, Stream

# What a read takes at first, and again after its target was blocked; it doubles while the target takes all.
FIRST_READ = 64 * 1024
LARGEST_READ = hubs.SCRATCH_SIZE


class Ending(enum.Enum):
    """How a relay ended."""

    CLOSED = "closed"  # Both sides ended what they sent.
    CLIENT_RESET = "client reset"
    SERVER_RESET = "server reset"
    IDLE = "idle"  # Nothing moved for the idle timeout.
    HALF_CLOSED = "half closed"  # One side had ended and nothing more came from the other.
    CUT = "cut"  # Ended from outside: a drain that was over.


class Direction:
    """One way of a relay: from a source to a target."""

    __slots__ = (
        "_limit", "_pending", "_receive", "_scratch", "_send",
        "broken", "count", "ended", "relay", "source", "target",
    )  # fmt: skip

    def __init__(self, relay: Relay, source: Stream, target: Stream) -> None:
        self.relay = relay
        self.source = source
        self.target = target
        self.count = 0
        self.ended = False
        self.broken = False
        self._limit = FIRST_READ
        self._pending: Bytes = b""
        self._scratch = hubs.scratch()
        self._receive = source.socket.recv_into
        self._send = target.socket.send

    @property
    def is_blocked(self) -> bool:
        """Whether bytes wait here because the target takes none."""
        return bool(self._pending)

    def start(self) -> None:
        self.source.reader.start(self.on_readable)

    def on_readable(self) -> None:
        """Pass on what the source has sent; runs in the hub."""
        scratch = self._scratch
        try:
            received = self._receive(scratch, self._limit)
        except BlockingIOError:
            return
        except OSError:
            self.relay.reset_by(self.source)
            return
        if not received:
            self._end()
            return
        self.relay.moved = True
        sent = self._try_to_send(scratch[:received])
        if sent < received:
            self._block(bytes(scratch[sent:received]))
        elif received == self._limit and received < LARGEST_READ:
            self._limit *= 2

    def on_writable(self) -> None:
        """Send what is pending, and read on when all of it is gone; runs in the hub."""
        self.relay.moved = True
        sent = self._try_to_send(self._pending)
        if sent < len(self._pending):
            self._pending = memoryview(self._pending)[sent:]
            return
        self._pending = b""
        self.target.writer.stop()
        if not self.ended:
            self.source.reader.start(self.on_readable)

    def _try_to_send(self, data: Bytes) -> int:
        try:
            sent = self._send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._give_up(error)
            return len(data)
        self.count += sent
        return sent

    def _block(self, rest: bytes) -> None:
        self._pending = rest
        self._limit = FIRST_READ
        self.source.reader.stop()
        self.target.writer.start(self.on_writable)

    def _end(self) -> None:
        """The source has ended: say so to the target, which may go on sending."""
        self._stop_reading()
        if not self.relay.finish_if_ended():
            # A target that is gone already cannot be told; its own direction finds that out.
            with suppress(StreamError):
                self.target.shutdown_write()

    def _give_up(self, error: OSError) -> None:
        """The target takes nothing more; what it has sent may still be on its way, so the other way goes on.

        A broken pipe is a target that closed in good order. Any other error is told only once, here: what is still
        to be read then seems to end well.
        """
        self.broken = not isinstance(error, BrokenPipeError)
        self._stop_reading()
        self.relay.finish_if_ended()

    def _stop_reading(self) -> None:
        self.ended = True
        self.relay.moved = True  # The half-close timeout begins now.
        self.source.reader.stop()

    def __repr__(self) -> str:
        return f"{'ended' if self.ended else 'blocked' if self.is_blocked else 'open'} {self.count}"


class Relay:
    """Bytes both ways between a client and a server.

    ``idle_timeout`` and ``half_close_timeout`` are in seconds. ``moved`` is set by whatever moves bytes, and
    looked at once a tick, so that the path of the bytes needs no clock.
    """

    __slots__ = (
        "_ending", "_greenlet", "_half_close_timeout", "_idle_timeout", "_quiet_since",
        "client", "from_client", "from_server", "moved", "server",
    )  # fmt: skip

    def __init__(self, client: Stream, server: Stream, idle_timeout: float, half_close_timeout: float) -> None:
        self.client = client
        self.server = server
        self.moved = False
        self.from_client = Direction(self, client, server)
        self.from_server = Direction(self, server, client)
        self._idle_timeout = idle_timeout
        self._half_close_timeout = half_close_timeout
        self._ending: Ending | None = None
        self._greenlet: Any = None

    def run(self) -> Ending:
        """Relay until both ways have ended, and say how; the caller closes the streams.

        After a reset the other side is closed with a reset, too.
        """
        sweeper = hubs.sweeper()
        sweeper.refine(min(self._idle_timeout, self._half_close_timeout))
        self._quiet_since = time.monotonic()
        self._greenlet = getcurrent()
        sweeper.watched.add(self)
        try:
            self.from_client.start()
            self.from_server.start()
            while self._ending is None:
                get_hub().switch()
        finally:
            self._greenlet = None
            sweeper.watched.discard(self)
            self._stop_watching()
        return self._ending

    def finish_if_ended(self) -> bool:
        """End the relay if both ways have ended; whether they have."""
        if not (self.from_client.ended and self.from_server.ended):
            return False
        if self.from_client.broken or self.from_server.broken:
            self.reset_by(self.server if self.from_client.broken else self.client)
        else:
            self._finish(Ending.CLOSED)
        return True

    def reset_by(self, source: Stream) -> None:
        """A side was reset: the other one is to see a reset, not an end that looks whole."""
        (self.server if source is self.client else self.client).reset_when_closed()
        self._finish(Ending.CLIENT_RESET if source is self.client else Ending.SERVER_RESET)

    def sweep(self, now: float) -> None:
        """End the relay if nothing has moved for too long; runs in the hub."""
        if self.moved:
            self.moved = False
            self._quiet_since = now
            return
        half = self.from_client.ended or self.from_server.ended
        if now - self._quiet_since > (self._half_close_timeout if half else self._idle_timeout):
            self._time_out(Ending.HALF_CLOSED if half else Ending.IDLE)

    def _time_out(self, ending: Ending) -> None:
        for direction in (self.from_client, self.from_server):
            if direction.is_blocked:
                direction.target.reset_when_closed()
        self._finish(ending)

    def _finish(self, ending: Ending) -> None:
        if self._ending is not None:
            return
        self._ending = ending
        self._stop_watching()
        # Not at once: the callback that found the end has still to return through this relay's objects.
        get_hub().loop.run_callback(self._wake)

    def _wake(self) -> None:
        if self._greenlet is not None:
            self._greenlet.switch()

    def _stop_watching(self) -> None:
        self.client.stop_watching()
        self.server.stop_watching()

    def __repr__(self) -> str:
        return f"<Relay client {self.from_client!r}, server {self.from_server!r}>"
