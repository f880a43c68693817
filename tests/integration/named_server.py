"""HTTP servers that say who they are: ``python named_server.py NAME=PORT …``; port 0 is any free one.

What lives here: a server to balance over, run as a process of its own so that it can be killed.
What must not: Deston, and modules that take long to import.
Invariant: a short answer leaves in one write, so that a kill loses all of it or nothing.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

BLOCK = bytes(range(256)) * 256


def blocks(count: int) -> Iterator[bytes]:
    """``count`` bytes, the same for everybody, in pieces."""
    for _ in range(count // len(BLOCK)):
        yield BLOCK
    if rest := count % len(BLOCK):
        yield BLOCK[:rest]


def digest_of(count: int) -> str:
    """The SHA-256 of ``count`` bytes of ``blocks``."""
    digest = hashlib.sha256()
    for block in blocks(count):
        digest.update(block)
    return digest.hexdigest()


class Handler(StreamRequestHandler):
    """GET gives the server's name, ``/bytes/N`` so many bytes; POST the length and the SHA-256 of its body.

    Written by hand, because http.server takes several times as long as Deston for a request.
    """

    wbufsize = -1
    disable_nagle_algorithm = True
    server: NamedServer

    def handle(self) -> None:
        with suppress(ConnectionError):
            while self._serve():
                self.wfile.flush()

    def finish(self) -> None:
        with suppress(ConnectionError):  # The client has left before it got all.
            super().finish()

    def _serve(self) -> bool:
        """One request; whether another may follow."""
        line = self.rfile.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split()
        fields = dict(self._fields())
        if method == "POST":
            self._answer_digest(fields)
        elif path.startswith("/bytes/"):
            self._send_bytes(int(path.removeprefix("/bytes/")))
        else:
            self._answer(f"{self.server.name}\n".encode())
        return fields.get("connection") != "close"

    def _fields(self) -> Iterator[tuple[str, str]]:
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()

    def _answer_digest(self, fields: dict[str, str]) -> None:
        digest, count = hashlib.sha256(), 0
        for piece in self._body(fields):
            digest.update(piece)
            count += len(piece)
        self._answer(f"{count} {digest.hexdigest()}\n".encode())

    def _answer(self, body: bytes) -> None:
        self._begin(len(body))
        self.wfile.write(body)

    def _send_bytes(self, count: int) -> None:
        self._begin(count)
        for block in blocks(count):
            self.wfile.write(block)

    def _begin(self, length: int) -> None:
        lines = (
            "HTTP/1.1 200 OK",
            f"X-Server: {self.server.name}",
            "Content-Type: text/plain",
            f"Content-Length: {length}",
        )
        self.wfile.write("\r\n".join((*lines, "", "")).encode())

    def _body(self, fields: dict[str, str]) -> Iterator[bytes]:
        if fields.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(fields.get("content-length", "0"))
        while left:
            piece = self.rfile.read(min(left, len(BLOCK)))
            if not piece:
                raise ConnectionAbortedError
            left -= len(piece)
            yield piece


class NamedServer(ThreadingTCPServer):
    """One server, with a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, name: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name = name


def main(arguments: list[str]) -> None:
    for argument in arguments:
        name, _, port = argument.partition("=")
        server = NamedServer(name, int(port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"{name} listens on 127.0.0.1:{server.server_address[1]}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
