"""Connections whose two ends are both in the hands of a test.

What lives here: pairs of sockets, of which one end is raw and non-blocking for what is tested, and the other one
waits as greenlets do; listening sockets, also such as fail.
What must not: behaviour of peers (``peers.py``), assertions but those that end a wait.
Invariant: whoever opens a pair with ``with`` leaves none of it open.
"""

from __future__ import annotations

import contextlib
import os
import socket
from _socket import socket as RawSocket
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
from gevent.socket import socket as FarSocket

from tests.peers import DEADLINE_S, READ_SIZE

SMALL_BUFFER = 8 * 1024


@contextlib.contextmanager
def tcp_pair(buffer: int = 0) -> Iterator[tuple[RawSocket, FarSocket]]:
    """Both ends of a TCP connection on loopback; ``buffer`` sets the kernel's buffers on both sides, in bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener, FarSocket(socket.AF_INET, socket.SOCK_STREAM) as far:
        for one in (listener, far) if buffer else ():
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        far.connect(listener.getsockname())
        accepted, _ = listener.accept()
        near = raw_of(accepted)
        try:
            yield near, far
        finally:
            near.close()


@contextlib.contextmanager
def unix_pair() -> Iterator[tuple[RawSocket, FarSocket]]:
    """Both ends of a connection of unix sockets."""
    one, other = socket.socketpair()
    near = raw_of(one)
    try:
        with FarSocket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=other.detach()) as far:
            yield near, far
    finally:
        near.close()


def raw_of(one: socket.socket) -> RawSocket:
    """The raw non-blocking socket of a descriptor, which the wrapped one gives up."""
    raw = RawSocket(one.family, one.type, one.proto, fileno=one.detach())
    raw.setblocking(False)
    return raw


def read_all(far: Any) -> bytes:
    """What comes until the end."""
    return b"".join(iter(lambda: far.recv(READ_SIZE), b""))


def read_exactly(far: Any, count: int) -> bytes:
    """The next ``count`` bytes; fewer if the end comes first."""
    data = b""
    while len(data) < count and (piece := far.recv(count - len(data))):
        data += piece
    return data


def fill(far: Any, pause: float = 0.02) -> int:
    """Send until the other side takes no more for a while; the number of bytes that it took."""
    sent = 0
    far.settimeout(pause)
    with contextlib.suppress(TimeoutError):
        while True:
            sent += far.send(b"." * READ_SIZE)
    far.settimeout(None)
    return sent


@contextlib.contextmanager
def in_good_time() -> Iterator[None]:
    """Fail what waits in greenlets for too long."""
    with gevent.Timeout(DEADLINE_S, AssertionError(f"not within {DEADLINE_S:g} s")):
        yield


class FailingListener:
    """A listening socket whose next accepts fail with these errors, before it works again."""

    def __init__(self, listening: socket.socket, *errors: int) -> None:
        self._listening = listening
        self.errors = [OSError(number, os.strerror(number)) for number in errors]

    def _accept(self) -> tuple[int, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return self._listening._accept()  # type: ignore[attr-defined, no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


@contextlib.contextmanager
def listening(*errors: int, host: str = "127.0.0.1") -> Iterator[Any]:
    """A listening socket, as gunicorn hands it to its workers; its first accepts fail with ``errors``."""
    with socket.create_server((host, 0), backlog=64) as one:
        one.setblocking(False)
        yield FailingListener(one, *errors) if errors else one
