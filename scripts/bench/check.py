"""Whether an answer is right.

What lives here: a sample of requests and queries, each compared with what the servers are known to send.
What must not: timing.
Invariant: nothing is measured, and no figure kept, whose sample was not right before and after.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
import struct

from scripts.bench.load import Iperf
from scripts.bench.model import DATAGRAM_LAYERS, Case, Exchange
from scripts.bench.servers import GET_SMALL
from scripts.bench.tools import run_tool

SAMPLE = 20
TIMEOUT_SECONDS = 10.0
# www.example.com, type A, class IN.
QUESTION = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
ANSWERED = 0x8000
CODE = 0x000F


def check_exchange(port: int, exchange: Exchange, scheme: str, times: int = SAMPLE) -> str:
    """Ask a few times on one connection, and a few times on new ones; returns what is wrong, or nothing."""
    try:
        for number in range(times):
            if number % 2 == 0:
                connection = _connect(port, scheme)
            trouble = _ask(connection, exchange)
            if trouble or number % 2:
                connection.close()
            if trouble:
                return f"{exchange.path}: {trouble}"
    except (OSError, http.client.HTTPException) as error:
        return f"{exchange.path}: {type(error).__name__} {error}"
    return ""


def _connect(port: int, scheme: str) -> http.client.HTTPConnection:
    if scheme == "https":
        # The certificate is our own, of this run: who made it is not what is measured.
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)


def _ask(connection: http.client.HTTPConnection, exchange: Exchange) -> str:
    if exchange.post:
        connection.request("POST", exchange.path, body=b"x" * exchange.post)
    else:
        connection.request("GET", exchange.path)
    response = connection.getresponse()
    return compare(response.status, response.read(), exchange.answer)


def compare(status: int, got: bytes, expected: bytes) -> str:
    """What is wrong with an answer: status, length, content; or nothing."""
    if status != 200:
        return f"status {status}"
    if len(got) != len(expected):
        return f"{len(got)} bytes instead of {len(expected)}"
    if hashlib.sha256(got).digest() != hashlib.sha256(expected).digest():
        return "the length is right, the content is not"
    return ""


def check_handshakes(port: int) -> str:
    """Whether every handshake is a full one: a session that was offered again must not be resumed."""
    context = ssl._create_unverified_context()
    session = None
    try:
        for _ in range(2):
            plain = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
            with context.wrap_socket(plain, session=session) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while client.recv(65536):
                    pass  # Tickets come with the answer.
                if client.session_reused:
                    return "TLS sessions are resumed, so handshakes are not full ones"
                session = client.session
    except OSError as error:
        return f"TLS: {type(error).__name__} {error}"
    return ""


def check_dns(port: int, times: int = SAMPLE) -> str:
    """Ask a few times for an address; returns what is wrong, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_SECONDS / 5)
        try:
            client.connect(("127.0.0.1", port))
            for _ in range(times):
                identity = os.urandom(2)
                client.send(identity + struct.pack(">HHHHH", 0, 1, 0, 0, 0) + QUESTION)
                if trouble := compare_dns(client.recv(512), identity):
                    return trouble
        except OSError as error:
            return f"DNS: {type(error).__name__} {error}"
    return ""


def compare_dns(reply: bytes, identity: bytes) -> str:
    """What is wrong with a reply to our question: it has to hold the address 127.0.0.1 of the zone."""
    if len(reply) < 12 or reply[:2] != identity:
        return "DNS: a reply to another question"
    flags, _, answers = struct.unpack(">HHH", reply[2:8])
    if not flags & ANSWERED or flags & CODE or not answers:
        return f"DNS: flags {flags:#06x}, {answers} answers"
    return "" if b"\x00\x04\x7f\x00\x00\x01" in reply[12:] else "DNS: not the address of the zone"


def check_bulk(port: int) -> str:
    """Whether iperf3 can send: a bare connection would be a broken test to its server, and few bytes are too few.

    Its server stops counting when the client says that all was sent, so that of a few bytes it may have seen none.
    """
    done = run_tool(["iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", "64M", "-J"], TIMEOUT_SECONDS)
    return done.error or "; ".join(Iperf(1, False).parse(done.output).errors)


def check_layer(layer: str, port: int) -> str:
    """Whether a port serves a layer at all: one small exchange, where what is behind it can have one."""
    if layer in DATAGRAM_LAYERS:
        return check_dns(port, times=1)
    if layer == "bulk":
        return check_bulk(port)
    return check_exchange(port, GET_SMALL, scheme_of(layer), times=1)


def check_case(case: Case, port: int) -> str:
    """The sample of a case: what is wrong with it, or nothing."""
    if case.exchange is None:
        return check_dns(port) if case.layer in DATAGRAM_LAYERS else check_layer(case.layer, port)
    # A megabyte each: fewer of them are sample enough.
    times = SAMPLE if len(case.exchange.answer) < 1 << 20 else SAMPLE // 5
    trouble = check_exchange(port, case.exchange, scheme_of(case.layer), times)
    return trouble or (check_handshakes(port) if case.layer == "tls" else "")


def scheme_of(layer: str) -> str:
    return "https" if layer == "tls" else "http"
