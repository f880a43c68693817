"""Answers that are not right are noticed."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.bench import check, idle
from scripts.bench.model import Exchange, Run
from scripts.bench.servers import make_certificate

QUESTION_ID = b"\x12\x34"


class Answers(http.server.BaseHTTPRequestHandler):
    """A server whose answers are right, but for the paths that say how they are not."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = {"/content": b"wrong", "/short": b"righ"}.get(self.path, b"right")
        self.send_response(500 if self.path == "/status" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or self.path == "/closing"

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("/", ""),
        ("/status", "/status: status 500"),
        ("/short", "/short: 4 bytes instead of 5"),
        ("/content", "/content: the length is right, the content is not"),
    ],
)
def test_a_wrong_answer_is_described(server: http.server.ThreadingHTTPServer, path: str, trouble: str) -> None:
    """Status, length and content are compared, in this order."""
    assert check.check_exchange(server.server_port, Exchange(path, b"right"), "http", times=4) == trouble


def test_nobody_there_is_trouble_and_no_exception() -> None:
    """A balancer that has gone is described like one that answers wrongly."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert "ConnectionRefusedError" in check.check_exchange(port, Exchange("/", b""), "http")
    assert "ConnectionRefusedError" in check.check_dns(port)


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (b"\x12\x34\x85\x80\0\1\0\1\0\0\0\0name\0\x04\x7f\0\0\x01", ""),
        (b"\x99\x99\x85\x80\0\1\0\1\0\0\0\0name\0\x04\x7f\0\0\x01", "another question"),
        (b"\x12\x34\x85\x82\0\1\0\0\0\0\0\0", "flags 0x8582, 0 answers"),
        (b"\x12\x34\x85\x80\0\1\0\1\0\0\0\0name\0\x04\x0a\0\0\x01", "not the address"),
        (b"\x12", "another question"),
    ],
)
def test_a_dns_reply_is_read(reply: bytes, trouble: str) -> None:
    """It has to belong to the question, be free of errors, and hold the address of the zone."""
    said = check.compare_dns(reply, QUESTION_ID)
    assert trouble in said if trouble else said == ""


@pytest.mark.parametrize("tickets", [0, 2])
def test_resumed_sessions_are_noticed(server: http.server.ThreadingHTTPServer, tickets: int, tmp_path: Path) -> None:
    """A server that gives tickets would have its handshakes measured as cheaper than they are."""
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    context.num_tickets = tickets
    server.socket = context.wrap_socket(server.socket, server_side=True)
    assert bool(check.check_handshakes(server.server_port)) is bool(tickets)


def test_memory_of_a_process_is_read() -> None:
    """Pss, in KiB, of the process and of what it started."""
    assert idle.parse_pss("Rss: 900 kB\nPss:     123 kB\nPss_Dirty: 7 kB\n") == 123
    with pytest.raises(ValueError, match="no Pss"):
        idle.parse_pss("Rss: 1 kB\n")


def test_idle_connections_are_counted(server: http.server.ThreadingHTTPServer) -> None:
    """They stay open, so there is a figure; ours is of this very process."""
    run = Run("l7-idle", "x", 1)
    idle.measure(os.getpid(), server.server_port, Exchange("/", b"right"), 20, run)
    assert run.is_good


def test_closed_connections_are_no_idle_ones(server: http.server.ThreadingHTTPServer) -> None:
    """A balancer that closes them is not credited with the memory that it saves."""
    run = Run("l7-idle", "x", 1)
    idle.measure(os.getpid(), server.server_port, Exchange("/closing", b"right"), 20, run)
    assert not run.is_good
    assert "were closed" in run.errors[0]
