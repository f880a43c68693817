"""Framing over real sockets, under our own worker and gevent's: what is in doubt goes no further, in either direction.

Requests go to a server that records every byte and answers well; responses come from a server that says what a test
has it say. Between them no two requests ever become of one, and no malformed response looks whole.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deston.address import Address
from tests.integration.commands import L7, Command, start
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import DEADLINE_S, Processes
from tests.integration.wire import address_of, connect

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"


class Recorder:
    """A server that records what each connection brings, and answers each head with ``answer``, then closes."""

    def __init__(self) -> None:
        self.answer = GOOD
        self.received: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._socket.settimeout(0.05)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self) -> Address:
        return address_of(self._socket)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE_S)
        data = b""
        try:
            while not is_whole(data):
                piece = connection.recv(65536)
                if not piece:
                    break
                data += piece
            self.received.append(data)
            connection.sendall(self.answer)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                self.received[-1] += piece
        except OSError:
            pass  # Whoever asked has heard enough.

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(DEADLINE_S)
        self._socket.close()


def is_whole(data: bytes) -> bool:
    """Whether a request has come as a whole, as the plainest of servers sees it."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"transfer-encoding" in lines:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(lines.get(b"content-length", b"0"))


@dataclass(frozen=True)
class Site:
    """Deston in front of the recorder."""

    command: Command
    server: Recorder
    is_own: bool

    def ask(self, data: bytes) -> bytes:
        """What a client gets that sends ``data`` and reads to the end."""
        with connect(self.command.address) as client:
            client.send(data)
            try:
                return client.read_all()
            except ConnectionResetError:
                return b"reset"

    def ask_for(self, answer: bytes) -> bytes:
        """What a client gets where the server answers so."""
        self.server.answer = answer
        try:
            return self.ask(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        finally:
            self.server.answer = GOOD


@pytest.fixture(scope="module", params=["deston.l7.worker.ProxyWorker", "gevent"], ids=["own", "gevent"])
def site(
    request: pytest.FixtureRequest, module_processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    server = Recorder()
    try:
        pools = {"app": pool({"a": server.address})}
        file = write_config(tmp_path_factory.mktemp("framing"), {"web": http()}, pools=pools)
        yield Site(start(L7, module_processes, file, options=["-k", request.param]), server, request.param != "gevent")
    finally:
        server.close()


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"POST / HTTP/" + version, b"Host: a", *lines]) + b"\r\n\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
IN_DOUBT = {
    "both lengths": post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"),
    "both, the other way": post(CHUNKED, b"Content-Length: 6", body=b"0\r\n\r\nG"),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 36"),
    "two equal lengths": post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "a list of lengths": post(b"Content-Length: 3, 3", body=b"abc"),
    "a signed length": post(b"Content-Length: +3", body=b"abc"),
    "a negative length": post(b"Content-Length: -1"),
    "a length in hexadecimal": post(b"Content-Length: 0x3", body=b"abc"),
    "a length with a blank in it": post(b"Content-Length: 3 4", body=b"abc"),
    "an empty length": post(b"Content-Length: "),
    "a length beyond all bounds": post(b"Content-Length: " + b"9" * 40),
    "a coding before chunked": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "a coding behind chunked": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "two lines of codings": post(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "a coding in quotes": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "a coding in HTTP/1.0": post(CHUNKED, body=b"0\r\n\r\n", version=b"1.0"),
    "a blank before the colon": post(b"Content-Length : 3", body=b"abc"),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "a fold": post(b"X: y", b" Content-Length: 3", body=b"abc"),
    "a first line that begins blank": b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
    "a bare CR in a value": post(b"X: y\rContent-Length: 3", body=b"abc"),
    "NUL in a value": post(b"X: \0"),
    "NUL in a name": post(b"X\0: y"),
    "a line without a colon": post(b"Content-Length"),
    "an empty name": post(b": y"),
    "a name that is no token": post(b"X(y): z"),
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "another Host than the target's": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a Host of two": b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that is no token": b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "the asterisk without OPTIONS": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", IN_DOUBT.values(), ids=IN_DOUBT)
def test_a_request_in_doubt(site: Site, data: bytes) -> None:
    """It is refused, nothing of it or behind it reaches the server, and the connection is over."""
    before = len(site.server.received)
    answer = site.ask(data + SMUGGLED)
    assert answer == b"reset" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ", b"HTTP/1.0 400 "))
    assert b"\r\nHTTP/1." not in answer
    assert site.server.received[before:] == []


BAD_CHUNKS = {
    "no number": b"x\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a blank in front": b" 3\r\nabc\r\n0\r\n\r\n",
    "too large": b"f" * 17 + b"\r\nabc",
    "longer than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "a bare LF behind the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare CR in an extension": b"3;x\ry\r\nabc\r\n0\r\n\r\n",
    "a line end for a size": b"\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_body_in_doubt(site: Site, body: bytes) -> None:
    """Whatever the server got of it is no whole request, and what is behind it is none at all."""
    if body is BAD_CHUNKS["too large"] and not site.is_own:
        pytest.skip("gunicorn reads a size of any length, and waits for what it promises")
    before = len(site.server.received)
    answer = site.ask(post(CHUNKED, body=body) + SMUGGLED)
    assert answer == b"reset" or b"\r\nHTTP/1." not in answer
    assert not any(is_whole(got) or b"smuggled" in got for got in site.server.received[before:])


SOUND = {
    "a length": (post(b"Content-Length: 3", b"Connection: close", body=b"abc"), b"abc"),
    "chunks": (post(CHUNKED, b"Connection: close", body=b"3\r\nabc\r\n0\r\n\r\n"), b"3\r\nabc\r\n0\r\n\r\n"),
    "a coding in capitals": (
        post(b"Transfer-Encoding: CHUNKED", b"Connection: close", body=b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        b"0\r\n\r\n",
    ),
    "a request in the body": (
        post(b"Content-Length: %d" % len(SMUGGLED), b"Connection: close", body=SMUGGLED),
        SMUGGLED,
    ),
    "a body of a GET": (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc", b"abc"),
}


@pytest.mark.parametrize(("data", "end"), SOUND.values(), ids=SOUND)
def test_a_request_that_is_sound(site: Site, data: bytes, end: bytes) -> None:
    """It reaches the server as one request, and nothing behind it does: the client has asked to close."""
    before = len(site.server.received)
    answer = site.ask(data + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    (got,) = site.server.received[before:]
    assert got.endswith(end)
    assert got.lower().count(b"\r\ncontent-length:") + got.lower().count(b"\r\ntransfer-encoding:") == 1


MALFORMED = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "a coding before chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a fold": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX: y\rZ: 1\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "another protocol": b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no head at all": b"ok",
    "nothing": b"",
    "a head cut short": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a switch that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    "fields without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response(site: Site, answer: bytes) -> None:
    """The client gets 502, and nothing of what the server said."""
    got = site.ask_for(answer)
    assert got.startswith(b"HTTP/1.1 502 ")
    assert got.endswith(b"502 Bad Gateway\n")


CUT = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nshort",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nx\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\nX: y\r\n",
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_a_response_cut_short(site: Site, answer: bytes) -> None:
    """What the client gets never looks whole: it sees a reset, or at least no end of the body."""
    got = site.ask_for(answer)
    assert got == b"reset" or got.startswith(b"HTTP/1.1 502 ")
