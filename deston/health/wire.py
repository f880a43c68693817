"""The wire of an HTTP check: a connection that can be cut from outside.

What lives here: connecting to a resolved address or a unix socket with blocking calls, and TLS over it.
What must not: HTTP, and the streams of ``deston.net``: those belong to one hub, and a check may run in a thread.
Invariant: after ``cut`` nothing waits on the wire, whichever greenlet or thread opened it and however far it got.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from deston.address import Address


class Wire:
    """The connection of one check, opened by whoever asks and cut by whoever waits for the answer.

    They are two greenlets or two threads; a second descriptor of the same connection is what they share.
    """

    def __init__(self, endpoint: Address, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._context: ssl.SSLContext | None = None
        self._server_name = ""
        self._shared: socket.socket | None = None
        self._is_cut = False

    def secure(self, context: ssl.SSLContext, server_name: str) -> None:
        """Speak TLS, with the server that has that name in its certificate."""
        self._context = context
        self._server_name = server_name

    def open(self) -> socket.socket:
        """Connect, and shake hands if it is to be TLS. Raises ``OSError``."""
        raw = socket.socket(_family(self._endpoint))
        try:
            raw.settimeout(self._timeout)
            self._share(raw)
            raw.connect(self._endpoint.path or (self._endpoint.host, self._endpoint.port))
            return self._context.wrap_socket(raw, server_hostname=self._server_name) if self._context else raw
        except BaseException:
            raw.close()
            raise

    def _share(self, raw: socket.socket) -> None:
        self._shared = raw.dup()
        if self._is_cut:  # The order matters: cut() sets the flag first and looks for the descriptor then.
            self.cut()
            raise TimeoutError("cut before it was open")

    def cut(self) -> None:
        """End the connection, so that whoever waits for the server is woken; a second call does nothing."""
        self._is_cut = True
        if self._shared is not None:
            with contextlib.suppress(OSError):  # It may be closed already, or was never connected.
                self._shared.shutdown(socket.SHUT_RDWR)
            self._shared.close()


def _family(endpoint: Address) -> socket.AddressFamily:
    if endpoint.is_unix:
        return socket.AF_UNIX
    return socket.AF_INET6 if endpoint.is_ipv6 else socket.AF_INET
