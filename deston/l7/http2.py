"""HTTP/2 with clients: gunicorn speaks it, over our TLS.

What lives here: what gunicorn takes for the socket of such a connection.
What must not: HTTP/2 itself.
Invariant: it does what gunicorn asks of a socket, and waits as all of our streams do.
"""

from __future__ import annotations

import errno
from typing import Any

from deston.config.model import ListenerConfig
from deston.errors import ReadTimeout, StreamError, WriteTimeout
from deston.net.stream import NEVER
from deston.net.tls_stream import TlsStream


def speaks_http2() -> bool:
    """Whether what gunicorn needs for HTTP/2 is installed."""
    from gunicorn.http2 import is_http2_available

    return bool(is_http2_available())


class Http2Socket:
    """A secured connection as a socket, of a client that came to ``listener``.

    ``identity`` are the field lines that tell of the client's certificate.
    """

    def __init__(self, tls: TlsStream, listener: ListenerConfig, identity: bytes) -> None:
        tls.limit_writes(listener.write_timeout)
        self.listener = listener
        self.identity = identity
        self.tls_version = tls.version
        self._tls = tls
        self._bound = tls.socket.getsockname()
        self._timeout: float = NEVER
        self._is_waiting = False
        self._is_broken = False

    def getsockname(self) -> Any:
        """Where the client has connected to."""
        return self._bound

    def settimeout(self, seconds: float | None) -> None:
        """How long a ``recv`` may wait."""
        self._timeout = NEVER if seconds is None else seconds

    def end_if_idle(self) -> None:
        """End it soon where it waits for the client to say something."""
        if self._is_waiting:
            self._tls.expire_after(0)

    def recv(self, limit: int) -> bytes:
        """What has come, all of it: gunicorn also waits for the descriptor, which tells nothing of what TLS holds."""
        self._tls.expire_after(self._timeout)
        scratch = self._tls.home.scratch
        while True:
            try:
                return bytes(scratch[: self._tls.receive(scratch, limit)])
            except BlockingIOError:
                self._wait_for_input()

    def _wait_for_input(self) -> None:
        self._is_waiting = True
        try:
            self._tls.wait_readable()
        except StreamError as error:
            raise _as_of_a_socket(error) from error
        finally:
            self._is_waiting = False

    def sendall(self, data: bytes) -> None:
        """Send all of ``data``; raises ``TimeoutError`` where the peer takes nothing for the listener's time."""
        if self._is_broken:
            # What was encrypted of an earlier call would come first.
            raise ConnectionResetError(errno.ECONNRESET, "the connection has broken before")
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._tls.send(rest) :]
            except BlockingIOError:
                self._wait_for_room()

    def _wait_for_room(self) -> None:
        try:
            self._tls.wait_writable()
        except StreamError as error:
            self._is_broken = True
            raise _as_of_a_socket(error) from error

    def fileno(self) -> int:
        """The descriptor, for those who wait for it."""
        return self._tls.socket.fileno()


def _as_of_a_socket(error: StreamError) -> OSError:
    if isinstance(error, (ReadTimeout, WriteTimeout)):
        return TimeoutError(str(error))
    return ConnectionResetError(errno.ECONNRESET, str(error))
