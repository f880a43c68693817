"""A server that tells what it was asked, as JSON.

What lives here: an HTTP server in threads of the test's own process.
What must not: Deston.
Invariant: what it says of a request is all that came, in its order; ``stop`` ends it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deston.address import Address


class _Handler(BaseHTTPRequestHandler):
    """Answers any method; the query says how: ``status``, ``sleep`` in seconds, and ``field=Name:value``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {
            "server": self.server.name,
            "method": self.command,
            "target": self.path,
            "fields": list(self.headers.items()),
            "body": body.decode("latin-1"),
        }
        self.server.asked.append(told)
        time.sleep(float(asked.get("sleep", ["0"])[0]))
        said = json.dumps(told).encode()
        self.send_response_only(int(asked.get("status", ["200"])[0]))
        for field in asked.get("field", []):
            name, _, value = field.partition(":")
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    name: str
    asked: list[dict[str, Any]]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


class EchoServer:
    """One such server; ``asked`` is what it was asked, in order. A port that it had refuses until the end.

    A free one would be given to the next server of another test, or a check would be connected to itself.
    """

    def __init__(self, name: str) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.name = name
        self.asked = self._server.asked = []
        self.address = Address("127.0.0.1", self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def stop(self) -> None:
        """Serve no more; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._held.bind((self.address.host, self.address.port))

    def __enter__(self) -> EchoServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._held.close()
