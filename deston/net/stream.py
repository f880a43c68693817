"""A stream: one connected non-blocking socket, read and written by greenlets.

What lives here: read, write, wait, half-close, close, and the deadline that a stream carries.
What must not: dialing, relaying, protocols. This is the narrow interface that a compiled twin can take over.
Invariant: the system call is tried first and waiting comes on EAGAIN, but for ``read_when_ready``; a greenlet that
waits here is woken by its socket, by the sweeper when the deadline is over, by a callback that interrupts it, or by a
kill, and nothing else.
"""

from __future__ import annotations

import math
import socket
from _socket import socket as RawSocket
from collections.abc import Callable
from typing import Any, Final

from greenlet import getcurrent, greenlet

from deston.clock import monotonic
from deston.errors import DestonError, ReadTimeout, WriteTimeout
from deston.net import hub as hubs
from deston.net import tcp
from deston.net.byte_stream import Bytes, ByteStream
from deston.net.socket_errors import translated

try:
    from deston.net._calls import receive, transmit
except ImportError:  # There was no compiler.
    from deston.net.calls import receive, transmit

NEVER: Final = math.inf
READ: Final = 1
WRITE: Final = 2
# From this size on, copying bytes costs more than handing the kernel two pieces.
_WORTH_A_CALL: Final = 16 * 1024
_CLOSED_DESCRIPTOR: Final = -1


# What ``hub.switch()`` does but for looking whether the greenlet that waits wants to be told, as none of ours does.
_switch_to: Final = greenlet.switch
# A compiler finds these once, and an imported name each time.
_current: Final = getcurrent
_receive: Final = receive
_transmit: Final = transmit


class Stream(ByteStream):
    """A connected non-blocking TCP or unix socket.

    Errors of the socket arrive as ``StreamError`` and its kinds; a deadline that passes while a greenlet waits
    arrives as ``ReadTimeout`` or ``WriteTimeout``.
    """

    __slots__ = (
        "_descriptor", "_is_swept", "_reader", "_waiter", "_waits_to_read", "_watched", "_watches_reads",
        "_write_timeout", "_writer", "deadline", "home", "socket",
    )  # fmt: skip

    def __init__(self, raw: RawSocket) -> None:
        self.socket = raw
        # Whoever else has the socket closes it behind ``let_go`` only, so that the number is its own until then.
        self._descriptor = raw.fileno()
        self.deadline = NEVER
        self._write_timeout = 0.0
        self.home = hubs.home()
        self._is_swept = False
        self._reader: Any = None
        self._writer: Any = None
        # Whether the hub watches for what the peer sends, and who is told of it where no greenlet waits for it.
        self._watches_reads = False
        self._watched: Callable[[], object] | None = None
        # The greenlet that waits, and what for.
        self._waiter: greenlet | None = None
        self._waits_to_read = False

    def read(self, limit: int) -> bytes:
        """Receive up to ``limit`` bytes, at least one; empty at the end of the stream."""
        while True:
            data = self._receive(limit)
            if data is not None:
                return data
            self.wait_readable()

    def read_when_ready(self, limit: int) -> bytes:
        """As ``read``, but wait first: where nothing is there yet, the call that finds it out costs a tenth of all."""
        while True:
            self.wait_readable()
            data = self._receive(limit)
            if data is not None:
                return data

    def _receive(self, limit: int) -> bytes | None:
        try:
            return _receive(self._descriptor, limit)
        except OSError as error:
            raise translated(error) from error

    def read_into(self, buffer: memoryview) -> int:
        """Receive into ``buffer``; the number of bytes, 0 at the end of the stream."""
        while True:
            try:
                return self.socket.recv_into(buffer)
            except BlockingIOError:
                self.wait_readable()
            except OSError as error:
                raise translated(error) from error

    def read_some(self, buffer: memoryview) -> Bytes:
        """Receive into ``buffer``, and give the part of it that was filled: none at the end of the stream."""
        received = self.read_into(buffer)
        return buffer[:received]

    def write_both(self, first: bytes, second: Bytes) -> None:
        """Send two pieces, one behind the other."""
        if len(second) < _WORTH_A_CALL:
            self.write(first + second)
            return
        try:
            sent = self.socket.sendmsg((first, second))
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise translated(error) from error
        if sent < len(first):
            self.write(memoryview(first)[sent:])
            sent = len(first)
        self.write(memoryview(second)[sent - len(first) :])

    def write_shared(self, data: Bytes) -> bool:
        """Send all of ``data``, of which a copy is made where that takes a wait; whether it took none."""
        sent = self._transmit(data)
        if sent == len(data):
            return True
        self.write(bytes(data[sent:]))
        return False

    def write(self, data: Bytes) -> None:
        """Send all of ``data``, waiting where the peer does not keep up."""
        rest = data
        while rest:
            sent = self._transmit(rest)
            if sent == len(rest):
                return
            if sent:
                rest = memoryview(rest)[sent:]
            else:
                self.wait_writable()

    def _transmit(self, data: Bytes) -> int:
        try:
            return _transmit(self._descriptor, data)
        except OSError as error:
            raise translated(error) from error

    def send_at_once(self, data: Bytes) -> int:
        """Send what the socket takes without waiting, and say how much.

        0 also where the connection is broken, or somebody waits on it and may be in the middle of a write.
        """
        if self._waiter is not None:
            return 0
        try:
            return _transmit(self._descriptor, data)
        except OSError:
            return 0

    def wait_readable(self) -> None:
        """Wait until a read would return; raises ``ReadTimeout`` at the deadline.

        The watcher goes on afterwards, because most reads are followed by another wait: starting and stopping it each
        time costs calls of the system. It stops where the peer sends what nobody waits for.
        """
        self._watch_reads()
        self._waits_to_read = True
        self._waiter = _current()
        try:
            _switch_to(self.home.hub)
        except BaseException:
            self._stop_watching_reads()
            raise
        finally:
            self._waiter = None

    def _watch_reads(self) -> None:
        self._watched = None
        if not self._watches_reads:
            self.reader.start(self._has_news)
            self._watches_reads = True

    def _stop_watching_reads(self) -> None:
        self._watches_reads = False
        if self._reader is not None:
            self._reader.stop()

    def _has_news(self) -> None:
        """The peer has sent something, or ended: tell who waits for it; runs in the hub."""
        waiter = self._waiter
        if waiter is not None and self._waits_to_read:
            _switch_to(waiter)
        elif self._watched is not None:
            self._watched()
        else:
            self._stop_watching_reads()

    def wait_writable(self) -> None:
        """Wait until a write would take something; raises ``WriteTimeout`` at the deadline."""
        if self._write_timeout:
            self.expire_after(self._write_timeout)
        watcher, current = self.writer, _current()
        self._waits_to_read = False
        self._waiter = current
        watcher.start(current.switch)
        try:
            _switch_to(self.home.hub)
        finally:
            watcher.stop()
            self._waiter = None

    def watch(self, callback: Callable[[], object] | None) -> None:
        """Have ``callback`` called by the hub when the peer sends something or ends; None: no more.

        A wait for reading takes its place.
        """
        if callback is not None:
            self._watch_reads()
        self._watched = callback

    def interrupt(self, error: DestonError) -> None:
        """Wake the greenlet that waits, if there is one, with ``error``; for callbacks, which run in the hub."""
        if self._waiter is not None:
            self._waiter.throw(error)

    @property
    def reader(self) -> Any:
        """The watcher for reading, for who waits by callbacks of their own; made on first use, kept for life."""
        if self._reader is None:
            self._reader = self.home.io(self._descriptor, READ)
        elif self._watches_reads:
            self._stop_watching_reads()
        return self._reader

    @property
    def writer(self) -> Any:
        """The watcher for writing, made on first use and kept for the stream's life."""
        if self._writer is None:
            self._writer = self.home.io(self._descriptor, WRITE)
        return self._writer

    def limit_writes(self, seconds: float) -> None:
        """How long the peer may take nothing of what is written, from when it does not; 0 for the deadline alone."""
        self._write_timeout = seconds

    def expire_after(self, seconds: float, now: float = 0.0) -> None:
        """Give what is waited for from now on so much time; ``math.inf`` for no limit."""
        if seconds == NEVER:
            self.deadline = NEVER
            return
        if not self._is_swept:
            self._is_swept = True
            self.home.sweeper.watched.add(self)
        if seconds < 1.0 / hubs.TOLERANCE:
            self.home.sweeper.refine(seconds)
        self.deadline = (now or monotonic()) + seconds

    def sweep(self, now: float) -> None:
        """Wake the greenlet that waits on an overdue stream with its timeout; runs in the hub."""
        if now > self.deadline and self._waiter is not None:
            late = ReadTimeout("nothing was received in time")
            self._waiter.throw(late if self._waits_to_read else WriteTimeout("nothing could be sent in time"))

    def is_quiet(self) -> bool:
        """Whether the peer has neither sent anything unasked nor closed: fit to be used again."""
        return not self.has_input()

    def has_input(self) -> bool:
        """Whether a read would return at once, be it with bytes, the end or an error."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    @property
    def has_been_quiet(self) -> bool:
        """Whether the hub has seen nothing of the peer since the last wait: weaker than ``is_quiet``, but no call."""
        return self._watches_reads

    def has_ended(self) -> bool:
        """Whether the peer has ended or broken off, and nothing of it is left to read."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def is_ending(self) -> bool:
        """Whether the peer has ended or broken off, be there something left to read or not; for TCP."""
        return tcp.is_ending(self.socket)

    def is_broken(self) -> bool:
        """Whether the peer has broken off, in both directions; of a unix socket, only a write tells."""
        return tcp.is_broken(self.socket)

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more will come, and go on reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise translated(error) from error

    def stop_watching(self) -> None:
        """Call nobody back any more."""
        self._stop_watching_reads()
        if self._writer is not None:
            self._writer.stop()

    def let_go(self) -> None:
        """Watch no more, for good, and leave the socket to whoever else has it; a second call does nothing."""
        self._watches_reads, self._watched = False, None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._is_swept:
            self._is_swept = False
            self.home.sweeper.watched.discard(self)
        self._descriptor = _CLOSED_DESCRIPTOR  # Before the number may be another's.

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self.let_go()
        self.socket.close()

    def reset_when_closed(self) -> None:
        """Let the closing send a reset, so that the peer cannot take what came for all."""
        tcp.reset_on_close(self.socket)

    def abort(self) -> None:
        """Close with a reset."""
        self.reset_when_closed()
        self.close()

    def __repr__(self) -> str:
        return f"<Stream {self._descriptor}>"
