"""HTTP/2 with clients: gunicorn speaks it, over our TLS.

What lives here: what gunicorn takes for the socket of such a connection.
What must not: HTTP/2 itself.
Invariant: it does what gunicorn asks of a socket, and waits as all of our streams do.
"""

from __future__ import annotations

from deston.errors import ReadTimeout
from deston.net.stream import NEVER
from deston.net.tls_stream import TlsStream


def speaks_http2() -> bool:
    """Whether what gunicorn needs for HTTP/2 is installed."""
    from gunicorn.http2 import is_http2_available

    return bool(is_http2_available())


class Http2Socket:
    """A secured connection as a socket; ``identity`` are the field lines that tell of the client's certificate."""

    def __init__(self, tls: TlsStream, identity: bytes) -> None:
        self.identity = identity
        self._tls = tls
        self._timeout = NEVER

    def settimeout(self, seconds: float | None) -> None:
        """How long a ``recv`` may wait."""
        self._timeout = NEVER if seconds is None else seconds

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
        try:
            self._tls.wait_readable()
        except ReadTimeout as error:
            raise TimeoutError(str(error)) from error

    def sendall(self, data: bytes) -> None:
        """Send all of ``data``; a peer that takes nothing for the listener's time raises ``StreamError``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._tls.send(rest) :]
            except BlockingIOError:
                self._tls.wait_writable()

    def fileno(self) -> int:
        """The descriptor, for those who wait for it."""
        return self._tls.socket.fileno()
