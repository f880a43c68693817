"""A server that plays a part for each path, and remembers what it was sent.

What lives here: the server of the contract tests, speaking HTTP by hand so that it can break its rules.
What must not: assertions, and anything of Deston but its addresses.
Invariant: a request is remembered as complete only if all of its body came.
"""

from __future__ import annotations

import fcntl
import hashlib
import socket
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.peers import Peer, reset, wait_until

PIECE = b"0123456789abcdef" * 4096
LARGE = 5 * 1024 * 1024
KEPT = 1024 * 1024
Field = tuple[bytes, bytes]


@dataclass
class Received:
    """One request as it came; of a large body only its size and digest are kept."""

    line: bytes
    fields: list[Field]
    body: bytes = b""
    size: int = 0
    digest: str = ""
    complete: bool = False
    #: All the bytes of the head.
    head: bytes = field(default=b"", repr=False)

    @property
    def method(self) -> bytes:
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field, by its name in lower case."""
        return [value for key, value in self.fields if key.lower() == name]


class Actor(Peer):
    """Does what the last word of the path says; what it was asked is in ``requests``.

    ``held`` is answered once ``released`` is set; ``sent`` counts the bytes of responses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Received] = []
        self.released = threading.Event()
        self.sent = 0

    def last(self) -> Received:
        return self.requests[-1]

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while True:
                request = _read_head(reader)
                if request is None:
                    return
                self.requests.append(request)
                word = request.target.partition(b"?")[0].rpartition(b"/")[2].decode()
                if word == "early":
                    _part_early(self, connection, request)
                    return
                if not _read_body(reader, request):
                    return
                if not _PARTS.get(word, _part_plain)(self, connection, request):
                    return

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)


def _read_head(reader: BinaryIO) -> Received | None:
    lines = []
    while (line := reader.readline()) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        return None
    pairs = [one.rstrip(b"\r\n").partition(b":") for one in lines[1:]]
    head = b"".join(lines)
    return Received(lines[0].rstrip(b"\r\n"), [(name, value.strip()) for name, _, value in pairs], head=head)


def _read_body(reader: BinaryIO, request: Received) -> bool:
    """Read the body; whether all of it came."""
    digest = hashlib.sha256()
    while True:
        left = _chunk_size(reader, request) if request.values(b"transfer-encoding") else _length(request)
        if left is None:
            return False
        while left:
            piece = reader.read1(min(left, len(PIECE)))  # type: ignore[attr-defined]
            if not piece:
                return False
            left -= len(piece)
            digest.update(piece)
            request.size += len(piece)
            if request.size <= KEPT:
                request.body += piece
        if request.complete or not request.values(b"transfer-encoding"):
            break
        if reader.readline() != b"\r\n":
            return False
    request.complete = True
    request.digest = digest.hexdigest()
    return True


def _length(request: Received) -> int:
    return int((request.values(b"content-length") or [b"0"])[0])


def _chunk_size(reader: BinaryIO, request: Received) -> int | None:
    line = reader.readline()
    if not line.endswith(b"\r\n"):
        return None
    size = int(line, 16)
    if not size:
        if reader.readline() != b"\r\n":
            return None
        request.complete = True
    return size


Part = Callable[[Actor, socket.socket, Received], bool]


def head(status: str, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/plain", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _part_plain(actor: Actor, connection: socket.socket, request: Received) -> bool:
    body = b"" if request.method == b"HEAD" else b"hello"
    actor.send(connection, head("200 OK", "Content-Length: 5") + body)
    return True


def _part_echo(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK", f"Content-Length: {len(request.body)}") + request.body)
    return True


def _part_chunked(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK", "Transfer-Encoding: chunked"))
    for piece in (b"one ", b"two ", b"three"):
        actor.send(connection, b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
    actor.send(connection, b"0\r\nX-Trailer: 1\r\n\r\n")
    return True


def _part_until_close(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK") + b"until the end")
    return False


def _part_large(actor: Actor, connection: socket.socket, request: Received) -> bool:
    total = int(request.target.partition(b"?")[2] or LARGE)
    actor.send(connection, head("200 OK", f"Content-Length: {total}"))
    for _ in range(total // len(PIECE)):
        actor.send(connection, PIECE)
    return True


def _part_no_content(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n")
    return True


def _part_not_modified(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')
    return True


def _part_fields(actor: Actor, connection: socket.socket, request: Received) -> bool:
    fields = ["Set-Cookie: a=1", "X-Hop: gone", "Set-Cookie: b=2", "Connection: X-Hop", "Keep-Alive: timeout=9"]
    actor.send(connection, head("200 Fine", *fields, "Content-Length: 0"))
    return True


def _part_interim(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    return _part_plain(actor, connection, request)


def _part_malformed(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    return True


def _part_held(actor: Actor, connection: socket.socket, request: Received) -> bool:
    while not actor.released.wait(0.01) and not actor.stopped.is_set():
        pass
    return _part_plain(actor, connection, request)


def _part_silent(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.stopped.wait()
    return False


def _part_silent_later(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK", "Content-Length: 100") + b"begun")
    actor.stopped.wait()
    return False


def _part_cut_length(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK", f"Content-Length: {10 * len(PIECE)}") + PIECE)
    return False


def _part_cut_chunks(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK", "Transfer-Encoding: chunked") + b"10000\r\n" + PIECE + b"\r\n")
    return False


def _part_reset_until_close(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("200 OK") + PIECE)
    _wait_until_taken(connection)
    reset(connection)
    return False


def _part_close_at_once(actor: Actor, connection: socket.socket, request: Received) -> bool:
    return False


def _part_early(actor: Actor, connection: socket.socket, request: Received) -> bool:
    actor.send(connection, head("413 Too much", "Content-Length: 8", "Connection: close") + b"too much")
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass
    return False


def _wait_until_taken(connection: socket.socket) -> None:
    """Wait until the other side has received all that was sent: a reset would overtake it."""

    def unsent() -> int:
        raw = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", raw)[0])

    wait_until(lambda: unsent() == 0, "everything was received")


_PARTS: dict[str, Part] = {
    "echo": _part_echo,
    "chunked": _part_chunked,
    "until-close": _part_until_close,
    "large": _part_large,
    "no-content": _part_no_content,
    "not-modified": _part_not_modified,
    "fields": _part_fields,
    "interim": _part_interim,
    "malformed": _part_malformed,
    "held": _part_held,
    "silent": _part_silent,
    "silent-later": _part_silent_later,
    "cut-length": _part_cut_length,
    "cut-chunks": _part_cut_chunks,
    "reset-until-close": _part_reset_until_close,
    "close-at-once": _part_close_at_once,
}
