"""The relay: bytes both ways between two streams, until both ways have ended.

What lives here: copying, back-pressure, half-close, resets passed on, limits of time, byte counts.
What must not: opening or closing streams, choosing servers, protocols.
Invariant: no byte is lost, added or reordered; a direction holds bytes of its own only while its target is
blocked, and reads nothing meanwhile. No greenlet belongs to a relay: callbacks of the hub move the bytes, through
one scratch buffer, so none of them may switch between the read and the write.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from greenlet import getcurrent

from deston.errors import StreamError
from deston.net import hub as hubs
from deston.net.byte_stream import Bytes
from deston.net.stream import NEVER, Stream
from deston.net.tls_stream import TlsStream

# What a read takes at first, and again after its target was blocked; it doubles while the target takes all.
FIRST_READ: Final = 64 * 1024
LARGEST_READ: Final = hubs.SCRATCH_SIZE

#: What a relay can have on either side; with TLS, its ways are ``SecureDirection``.
Side = Stream | TlsStream


class Ending(enum.Enum):
    """How a relay ended."""

    CLOSED = "closed"  # Both sides ended what they sent.
    CLIENT_RESET = "client reset"
    SERVER_RESET = "server reset"
    IDLE = "idle"  # Nothing moved for the idle timeout.
    CLIENT_IDLE = "client idle"  # The client sent nothing for its own timeout.
    SERVER_IDLE = "server idle"
    CLIENT_HALF_CLOSED = "half closed by the client"  # It had ended, and nothing more came from the server.
    SERVER_HALF_CLOSED = "half closed by the server"
    LIFETIME = "lifetime"  # It was as old as a connection may become.
    SERVER_DOWN = "server down"
    CUT = "cut"  # Ended from outside: a drain that was over.


class Limits(NamedTuple):
    """How long a relay may be silent and how old it may become, in seconds; ``math.inf`` for no limit."""

    idle: float
    half_closed: float
    client_idle: float = NEVER
    server_idle: float = NEVER
    lifetime: float = NEVER


class Direction:
    """One way of a relay: from a source to a target."""

    __slots__ = (
        "_limit", "_pending", "_receive", "_scratch", "_send",
        "broken", "count", "ended", "gave_up", "moved", "relay", "source", "target",
    )  # fmt: skip
    __deletable__ = ("relay",)  # A compiled class keeps all its attributes otherwise.

    def __init__(self, relay: Relay, source: Side, target: Side) -> None:
        self.relay = relay
        self.source = source
        self.target = target
        self.count = 0
        self.ended = False
        self.broken = False
        self.gave_up = False  # Its source may still be sending, and nobody takes it.
        self.moved = False  # Set by whatever moves bytes, looked at once a tick: the bytes' path needs no clock.
        self._limit = FIRST_READ
        self._pending: Bytes = b""
        self._scratch = source.home.scratch
        self._receive: Callable[[memoryview, int], int] = source.socket.recv_into
        self._send: Callable[[Bytes], int] = target.socket.send

    @property
    def is_blocked(self) -> bool:
        """Whether bytes wait here because the target takes none."""
        return bool(self._pending)

    def begin_with(self, data: bytes) -> None:
        """Send what was read of the source before the relay was there, ahead of all that comes; before ``start``."""
        sent = self._try_to_send(data)
        if sent < len(data):
            self._block(data[sent:])

    def start(self) -> None:
        if not (self.is_blocked or self.ended):
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
        self.moved = True
        sent = self._try_to_send(scratch[:received])
        if sent < received:
            self._block(bytes(scratch[sent:received]))
        elif received == self._limit and received < LARGEST_READ:
            self._limit *= 2

    def on_writable(self) -> None:
        """Send what is pending, and read on when all of it is gone; runs in the hub."""
        self.moved = True
        sent = self._try_to_send(self._pending)
        if sent < len(self._pending):
            self._pending = memoryview(self._pending)[sent:]
            return
        if self.gave_up:
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
        self.gave_up = True
        if self._pending:
            self._pending = b""
            self.target.writer.stop()
        self._stop_reading()
        self.relay.finish_if_ended()

    def _stop_reading(self) -> None:
        self.ended = True
        self.moved = True  # The half-close timeout begins now.
        self.source.reader.stop()

    def __repr__(self) -> str:
        return f"{'ended' if self.ended else 'blocked' if self.is_blocked else 'open'} {self.count}"


class Relay:
    """Bytes both ways between a client and a server.

    ``way`` is the class of its two directions.
    """

    __slots__ = (
        "_client_quiet_since", "_limits", "_on_end", "_server_quiet_since", "_started",
        "client", "ending", "from_client", "from_server", "server",
    )  # fmt: skip

    def __init__(self, client: Side, server: Side, limits: Limits, way: type[Direction] = Direction) -> None:
        self.client = client
        self.server = server
        self.ending: Ending | None = None
        self.from_client = way(self, client, server)
        self.from_server = way(self, server, client)
        self._limits = limits
        self._on_end: Callable[[Relay], None] | None = None

    def start(self, on_end: Callable[[Relay], None]) -> None:
        """Relay from now on; ``on_end`` is called in the hub when it is over, and closes the streams.

        After a reset, the other side's stream is closed with a reset, too.
        """
        sweeper = self.client.home.sweeper
        sweeper.refine(min(self._limits))
        self._started = self._client_quiet_since = self._server_quiet_since = time.monotonic()
        self._on_end = on_end
        sweeper.watched.add(self)
        self.from_client.start()
        if self.ending is None:
            self.from_server.start()

    def run(self) -> Ending:
        """Relay while the greenlet that calls this sleeps, until it is over, and say how it ended."""
        hub = self.client.home.hub
        wake = getcurrent().switch

        def end(relay: Relay) -> None:
            relay.stop()
            hub.loop.run_callback(wake)

        self.start(end)
        try:
            while self.ending is None:
                hub.switch()
        finally:
            self.stop()
        return self.ending

    def finish_if_ended(self) -> bool:
        """End the relay if both ways have ended; whether they have."""
        if not (self.from_client.ended and self.from_server.ended):
            return False
        if self.from_client.broken or self.from_server.broken:
            self.reset_by(self.server if self.from_client.broken else self.client)
        else:
            self._finish(Ending.CLOSED)
        return True

    def reset_by(self, source: Side) -> None:
        """A side was reset: the other one is to see a reset, not an end that looks whole."""
        (self.server if source is self.client else self.client).reset_when_closed()
        self._finish(Ending.CLIENT_RESET if source is self.client else Ending.SERVER_RESET)

    def cut(self, ending: Ending = Ending.CUT) -> None:
        """End the relay from outside; neither side may take what it got for all that there was."""
        self.client.reset_when_closed()
        self.server.reset_when_closed()
        self._finish(ending)

    def sweep(self, now: float) -> None:
        """End the relay if nothing has moved for too long, or if it is too old; runs in the hub."""
        from_client, from_server = self.from_client, self.from_server
        if from_client.moved:
            from_client.moved = False
            self._client_quiet_since = now
        if from_server.moved:
            from_server.moved = False
            self._server_quiet_since = now
        ending = self._overdue(now)
        if ending is not None:
            self._time_out(ending)

    def _overdue(self, now: float) -> Ending | None:
        limits = self._limits
        client_quiet, server_quiet = now - self._client_quiet_since, now - self._server_quiet_since
        quiet = min(client_quiet, server_quiet)
        half = self.from_client.ended or self.from_server.ended
        if half and quiet > limits.half_closed:
            return Ending.CLIENT_HALF_CLOSED if self.from_client.ended else Ending.SERVER_HALF_CLOSED
        if not half and quiet > limits.idle:
            return Ending.IDLE
        if now - self._started > limits.lifetime:
            return Ending.LIFETIME
        if client_quiet > limits.client_idle and not self.from_client.ended:
            return Ending.CLIENT_IDLE
        if server_quiet > limits.server_idle and not self.from_server.ended:
            return Ending.SERVER_IDLE
        return None

    def _time_out(self, ending: Ending) -> None:
        for direction in (self.from_client, self.from_server):
            if direction.is_blocked or ending is Ending.LIFETIME:
                direction.target.reset_when_closed()
        self._finish(ending)

    def _finish(self, ending: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self.from_client.ended = self.from_server.ended = True
        self.client.home.sweeper.watched.discard(self)
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)
        # Without this cycle it is freed at once, and the garbage collector has less to look through.
        del self.from_client.relay, self.from_server.relay

    def stop(self) -> None:
        """Move nothing any more, and call nobody back."""
        self._on_end = None
        self.client.home.sweeper.watched.discard(self)
        self.client.stop_watching()
        self.server.stop_watching()

    def __repr__(self) -> str:
        return f"<Relay client {self.from_client!r}, server {self.from_server!r}>"
