"""A server to balance over: `python scripts/demo_server.py NAME PORT`; port 0 lets the system choose.

What lives here: an HTTP server that says who it is and what it was asked; a body that is sent comes back.
What must not: anything of Deston, which it stands behind.
Invariant: TERM lets requests in flight end, so that stopping it loses none.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

from gevent import signal_handler
from gevent.pool import Pool as Slots
from gevent.pywsgi import WSGIServer

CHUNK = 64 * 1024
# Connections that idle are cut this long after the listener closed, in seconds.
LINGER = 0.5


def describe(name: str, environ: dict[str, Any]) -> bytes:
    """Three lines: the server's name, the request line, and the client as the proxies in between tell it."""
    query = environ["QUERY_STRING"] and "?" + environ["QUERY_STRING"]
    client = environ.get("HTTP_X_FORWARDED_FOR", "not told")
    return (
        f"This is server {name}.\n"
        f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{query}\n"
        f"X-Forwarded-For: {client}\n"
    ).encode("latin-1")


def body_of(environ: dict[str, Any]) -> Iterator[bytes]:
    """The request's body, piece by piece."""
    while piece := environ["wsgi.input"].read(CHUNK):
        yield piece


def create_app(name: str) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of the server ``name``."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        has_body = "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ
        body = body_of(environ) if has_body else iter(())
        first = next(body, b"")  # A client that waits for 100-continue has to get that before the answer.
        start_response("200 OK", [("Content-Type", "text/plain; charset=latin-1"), ("X-Server", name)])
        answer = describe(name, environ) + first
        return chain([answer], body) if first else [answer]

    return app


def main(name: str, port: int) -> None:
    server = WSGIServer(("127.0.0.1", port), create_app(name), backlog=1024, spawn=Slots(), log=None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, server.stop, LINGER)
    server.init_socket()
    server.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # Accepted ones inherit it; head and body are sent apart.
    server.start()
    print(f"server {name} listens on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever(stop_timeout=LINGER)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.exit("usage: python scripts/demo_server.py NAME PORT")
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except OSError as error:
        sys.exit(f"server {sys.argv[1]} cannot listen on port {sys.argv[2]}: {error.strerror}")
