"""Servers that answer a check, each in its own good or bad way.

They run in native threads with blocking sockets, so that they do not depend on what they test. Each is used with
``with`` and has an ``address``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from deston.address import Address

AnyPeer = TypeVar("AnyPeer", bound="Peer")


class Peer:
    """Listens on 127.0.0.1 (or another host, or a unix socket) and serves each connection in a thread.

    ``requests`` are the heads that came; ``connections`` counts what was accepted.
    """

    def __init__(self, host: str = "127.0.0.1", path: Path | None = None, port: int = 0) -> None:
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(str(path) if path else (host, port))
        self.address = Address(path=str(path)) if path else Address(host, self._listener.getsockname()[1])
        self.requests: list[str] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(self, connection: socket.socket) -> None:
        """Deal with one connection; the subclasses say how."""
        raise NotImplementedError

    def __enter__(self: AnyPeer) -> AnyPeer:
        self._listener.listen()
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for the threads."""
        self.stopped.set()
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def read_head(self, connection: socket.socket) -> str:
        """The head of a request, which is remembered."""
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return ""
            head += received
        self.requests.append(head.decode("latin-1"))
        return self.requests[-1]

    def _begin(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.serve(connection)
            connection.close()


class AnswersWith(Peer):
    """Answers every request with one status, body and further fields; ``status`` may be changed while it runs."""

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        fields: str = "",
        host: str = "127.0.0.1",
        path: Path | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(host, path, port)
        self.status = status
        self.body = body
        self.fields = fields

    def serve(self, connection: socket.socket) -> None:
        if self.read_head(connection):
            length = f"Content-Length: {len(self.body)}\r\n"
            head = f"HTTP/1.1 {self.status} Whatever\r\n{length}{self.fields}Connection: close\r\n\r\n"
            connection.sendall(head.encode("latin-1") + self.body)


class AnswersRaw(Peer):
    """Answers every request with these bytes and closes."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer

    def serve(self, connection: socket.socket) -> None:
        self.read_head(connection)
        connection.sendall(self.answer)


class AnswersTls(AnswersWith):
    """Answers as ``AnswersWith``, over TLS with this certificate; asks for a client's if ``client_ca`` is given."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        super().__init__()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.server_names: list[str | None] = []
        self._context.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
        if client_ca:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)

    def serve(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as secured:
            super().serve(secured)


class NeverAnswers(Peer):
    """Accepts and reads, and never says anything."""

    def serve(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            pass


class TricklesBytes(Peer):
    """Sends this start and then one byte after the other, each well before anybody's patience for a read ends."""

    def __init__(self, start: bytes, pause: float = 0.02) -> None:
        super().__init__()
        self.start = start
        self.pause = pause
        self.cut_off = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(self.start)
        try:
            while not self.stopped.wait(self.pause):
                connection.sendall(b"a")
        except OSError:
            self.cut_off.set()


class ResetsAfterAccept(Peer):
    """Accepts, waits for the request, and resets."""

    def serve(self, connection: socket.socket) -> None:
        self.read_head(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


class ClosesAfterAccept(Peer):
    """Accepts, reads the request, and closes without a word."""

    def serve(self, connection: socket.socket) -> None:
        self.read_head(connection)


class RefusesConnections(Peer):
    """Holds a port on which nothing listens."""

    def __enter__(self: AnyPeer) -> AnyPeer:
        return self


class AcceptsNothing(Peer):
    """Listens with a queue that is full, so that a connection is never complete."""

    def __enter__(self: AnyPeer) -> AnyPeer:
        self._listener.listen(0)
        for _ in range(2):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex((self.address.host, self.address.port))
            self._open.append(waiting)
        return self
