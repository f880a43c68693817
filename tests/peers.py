"""Peers on real sockets: servers that behave, and servers that each misbehave in one way.

What lives here: one class for each behaviour, on 127.0.0.1 and a port that the system chooses, on another address,
or on a unix socket. Those that speak TLS are in ``tls_peers.py``.
What must not: assertions, and anything of Deston but its addresses.
Invariant: with ``with``, what was started is stopped: listener, connections and threads. They run in native threads
with blocking sockets, so that they depend neither on what they test nor on who waits for it. Their ``repr`` tells
their state.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from deston.address import Address

LOOPBACK = Address("127.0.0.1")
READ_SIZE = 64 * 1024
# Nothing takes that long; what does has failed.
DEADLINE_S = 20.0
STOP_S = 10.0
SMALLEST_BUFFER = 4096
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

AnyPeer = TypeVar("AnyPeer", bound="Peer")


def wait_until(
    condition: Callable[[], object],
    what: str,
    pause: Callable[[float], object] = time.sleep,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Wait for a condition; fails with ``what`` if it does not hold in good time.

    ``pause`` is what to wait with: ``gevent.sleep`` where greenlets have to run meanwhile.
    """
    limit = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        pause(0.002)


def reset(connection: socket.socket) -> None:
    """Close a TCP connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connection.close()


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Peer:
    """Listens, and serves each connection in a thread as its subclass says; a connection ends when that returns.

    ``at`` is where to listen; ``buffer`` sets the kernel's buffers of its connections, in bytes. ``accepted`` counts
    connections, ``received`` holds all that ``take`` was given by any of them.
    """

    def __init__(self, at: Address = LOOPBACK, buffer: int = 0) -> None:
        self.at = at
        self.accepted = 0
        self.received = bytearray()
        self.stopped = threading.Event()
        self._buffer = buffer
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._address = at

    def serve(self, connection: socket.socket) -> None:
        """Deal with one connection; the subclasses say how."""
        raise NotImplementedError

    @property
    def address(self) -> Address:
        """Where it listens, the port included; it stays when it is stopped and started again."""
        return self._address

    @property
    def port(self) -> int:
        return self._address.port

    @property
    def open(self) -> int:
        """How many of its connections are open."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        """Listen; on the same port again, if it did so before."""
        self.stopped.clear()
        self._listener = self._bind()
        self._listener.listen(128)
        self._begin(self._accept, self._listener)

    def stop(self) -> None:
        """Close the listener and every connection, and wait for the threads; a second call does nothing."""
        self.stopped.set()
        with self._lock:
            left = list(self._open)
        if self._listener is not None:
            left.append(self._listener)
        for one in left:
            # It wakes the thread that waits in a system call, which a close alone would not.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(STOP_S)
        if any(thread.is_alive() for thread in self._threads):
            raise AssertionError(f"{self!r} does not stop")
        self._threads.clear()
        self._close_listener()

    def take(self, connection: socket.socket, limit: int = READ_SIZE) -> bytes:
        """What comes next, kept in ``received``; empty at the end."""
        data = connection.recv(limit)
        self.received += data
        return data

    def take_all(self, connection: socket.socket) -> None:
        """Read until the client ends what it sends."""
        while self.take(connection):
            pass

    def _bind(self) -> socket.socket:
        at = self._address
        family = socket.AF_UNIX if at.path else socket.AF_INET6 if at.is_ipv6 else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._buffer:
                _set_buffers(listener, self._buffer)  # Connections inherit them.
            if at.path:
                Path(at.path).unlink(missing_ok=True)
            listener.bind(at.path if at.path else (at.host, at.port))
        except BaseException:
            listener.close()
            raise
        if not at.path:
            self._address = Address(at.host, listener.getsockname()[1])
        return listener

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name=type(self).__name__)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # The stop.
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    if self.stopped.is_set():
                        connection.close()
                        return
                    self.accepted += 1
                    self._open.add(connection)
                self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # The other side is gone: a peer has nobody to tell.
                self.serve(connection)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def __enter__(self: AnyPeer) -> AnyPeer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "listening" if self._listener is not None else "stopped"
        return f"<{type(self).__name__} {self._address} {state}, {self.accepted} accepted, {self.open} open>"


class EchoServer(Peer):
    """Sends back what it receives, and its end."""

    def serve(self, connection: socket.socket) -> None:
        while data := connection.recv(READ_SIZE):
            connection.sendall(data)


class NamesItself(Peer):
    """Says its name, and keeps the connection open until the client ends it."""

    def __init__(self, name: str, at: Address = LOOPBACK) -> None:
        super().__init__(at)
        self.name = name

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(self.name.encode())
        connection.shutdown(socket.SHUT_WR)
        self.take_all(connection)


class AnswersAtTheEnd(Peer):
    """Reads until the client ends what it sends, and only then answers: clients have to half-close."""

    def __init__(self, answer: bytes = b"answer", at: Address = LOOPBACK) -> None:
        super().__init__(at)
        self.answer = answer

    def serve(self, connection: socket.socket) -> None:
        self.take_all(connection)
        connection.sendall(self.answer)


class HalfCloses(Peer):
    """Sends something, ends what it sends at once, and goes on reading until the client ends, too."""

    def __init__(self, answer: bytes = b"answer", at: Address = LOOPBACK) -> None:
        super().__init__(at)
        self.answer = answer

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(self.answer)
        connection.shutdown(socket.SHUT_WR)
        self.take_all(connection)


class AcceptsAndNeverAnswers(Peer):
    """Reads all and says nothing, for as long as the client stays, and longer."""

    def serve(self, connection: socket.socket) -> None:
        self.take_all(connection)
        self.stopped.wait()


class ClosesAtOnce(Peer):
    """Accepts and closes, without reading or saying anything."""

    def serve(self, connection: socket.socket) -> None:
        return


class ResetsAfter(Peer):
    """Reads so many bytes, says something if told to, and resets the connection."""

    def __init__(self, count: int, answer: bytes = b"", at: Address = LOOPBACK) -> None:
        super().__init__(at)
        self.count = count
        self.answer = answer

    def serve(self, connection: socket.socket) -> None:
        taken = 0
        while taken < self.count:
            data = self.take(connection, self.count - taken)
            if not data:
                return
            taken += len(data)
        connection.sendall(self.answer)
        reset(connection)


class SlowReader(Peer):
    """Reads nothing until it is told to with ``go``, and then all; its buffers are small."""

    def __init__(self, at: Address = LOOPBACK) -> None:
        super().__init__(at, SMALLEST_BUFFER)
        self.go = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        while not self.go.wait(0.01):
            if self.stopped.is_set():
                return
        self.take_all(connection)


class TricklesBytes(Peer):
    """Sends a start and then one byte after the other, each well before anybody's patience for a read ends.

    ``cut_off`` is set when the client has gone.
    """

    def __init__(self, start: bytes = b"", pause: float = 0.01, at: Address = LOOPBACK) -> None:
        super().__init__(at)
        self.start_bytes = start
        self.pause = pause
        self.cut_off = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        try:
            connection.sendall(self.start_bytes)
            while not self.stopped.wait(self.pause):
                connection.sendall(b".")
        except OSError:
            self.cut_off.set()


class RefusingPort(Peer):
    """Holds a port on which nothing listens."""

    def start(self) -> None:
        self._listener = self._bind()

    def __repr__(self) -> str:
        return f"<RefusingPort {self._address} {'held' if self._listener else 'stopped'}>"


class UnansweringPort(Peer):
    """Listens with a queue that is full, so that a connection is never complete."""

    _QUEUE = 2

    def start(self) -> None:
        self._listener = self._bind()
        self._listener.listen(0)
        for _ in range(self._QUEUE):
            waiting = socket.socket(self._listener.family)
            waiting.setblocking(False)
            waiting.connect_ex(self._listener.getsockname())
            self._open.add(waiting)

    def stop(self) -> None:
        for one in self._open:
            one.close()
        self._open.clear()
        self._close_listener()

    def __repr__(self) -> str:
        return f"<UnansweringPort {self._address} {'full' if self._listener else 'stopped'}>"


def _set_buffers(one: socket.socket, size: int) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        one.setsockopt(socket.SOL_SOCKET, option, size)


def descriptors_of_sockets() -> set[str]:
    """Every socket that this process has open, where the system tells (else none)."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/self/fd/{name}")
                if target.startswith("socket:"):
                    found.add(f"{name} {target}")
    return found
