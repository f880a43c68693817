"""A client's connection under our own worker: what it takes, what it answers, and when it ends."""

from __future__ import annotations

import math
import re
from typing import Any

import gevent
import pytest

from deston.config.model import Protocol
from deston.errors import DestonError, ReadTimeout, StreamError, StreamReset
from deston.l7.connection import WAIT_WHEN_STOPPING, ClientConnection
from deston.l7.fields import Field
from deston.l7.request import Request, Response, Tunnel
from deston.l7.stopping import Stopping
from deston.net.fake import FakeStream
from tests.builders import make_listener

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """Stands in for the proxy: it keeps the requests and their bodies, and answers with what it was given."""

    def __init__(
        self,
        *pieces: bytes | DestonError,
        length: int | None = -1,
        fields: list[Field] | None = None,
        reads: bool = True,
        at_hand: bool = False,
    ) -> None:
        self.at_hand = at_hand
        self.pieces = pieces
        self.length = len(b"".join(one for one in pieces if isinstance(one, bytes))) if length == -1 else length
        self.fields = [(b"Content-Length", b"%d" % self.length)] if fields is None and self.length is not None else []
        self.fields += fields or []
        self.reads = reads
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.closed = 0

    def __call__(self, request: Request) -> Response:
        from deston.l7.answers import refusal

        self.requests.append(request)
        try:
            self.bodies.append(b"".join(iter(request.body.read, b"")) if self.reads else b"")
        except DestonError as error:
            return refusal(error)
        script = list(self.pieces)

        def read() -> bytes:
            piece = script.pop(0) if script else b""
            if isinstance(piece, DestonError):
                raise piece
            return piece

        def close() -> None:
            self.closed += 1

        fields = list(self.fields)
        return Response(200, b"OK", fields, self.length, read, close, is_at_hand=lambda: self.at_hand)


class Served:
    """A connection that was served to its end."""

    def __init__(
        self,
        server: Server,
        *reads: bytes | BaseException,
        stops: bool = False,
        account: Any = None,
        **listener: Any,
    ) -> None:
        self.stream = FakeStream(reads)
        config = make_listener(Protocol.HTTP, "web", **listener)
        connection = ClientConnection(self.stream, config, "192.0.2.7", "http", server, Stopping(stops), account)
        self.lingers = connection.serve()

    @property
    def answers(self) -> list[bytes]:
        """The status lines of what was sent."""
        return re.findall(rb"HTTP/1\.1 [0-9]{3} [^\r]*", self.stream.written)


def test_requests_one_after_the_other() -> None:
    """A connection is kept, and requests that come at once are answered in order."""
    server = Server(b"hello")
    served = Served(server, GET + GET, GET)
    assert served.stream.written == (OK + b"Content-Length: 5\r\n\r\nhello") * 3
    assert not served.lingers
    assert server.closed == 3
    request = server.requests[0]
    assert (request.method, request.target, request.peer, request.scheme) == (b"GET", b"/", "192.0.2.7", "http")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_however_it_comes(size: int) -> None:
    """A request in pieces of any size is the same request."""
    head = b"\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n" + GET
    server = Server(b"ok")
    served = Served(server, *[data[start : start + size] for start in range(0, len(data), size)])
    assert server.bodies == [b"abcde", b""]
    assert served.answers == [b"HTTP/1.1 200 OK"] * 2


POST_LAST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "listener", "lingers"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", {}, False),
        (POST_LAST + b"12345", {}, False),
        (POST_LAST + b"12345" + GET, {}, True),
        (GET, {"max_requests": 1}, True),
        (GET + b"nonsense\r\n\r\n", {}, True),
    ],
)
def test_who_has_said_all_is_not_listened_to(data: bytes, listener: dict[str, Any], lingers: bool) -> None:
    """A client that asks for the end sends nothing behind it; one that does not know of the end may well."""
    assert Served(Server(b"x"), data, **listener).lingers is lingers


@pytest.mark.parametrize(
    ("head", "kept", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True, b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n", False, b"Connection: close"),
        (b"GET / HTTP/1.0\r\nHost: a\r\n", False, b"Connection: close"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n", True, b"Connection: keep-alive"),
    ],
)
def test_who_keeps_a_connection(head: bytes, kept: bool, said: bytes) -> None:
    """Each version has its rule, and Connection may say otherwise."""
    served = Served(Server(b"x"), (head + b"\r\n") * 2)
    assert len(served.answers) == (2 if kept else 1)
    assert served.lingers is not kept
    assert said in served.stream.written
    assert (b"Connection" in served.stream.written) is bool(said)


def test_the_last_request_of_a_connection() -> None:
    """At the limit of requests, and once the worker stops, no other one follows."""
    assert len(Served(Server(b"x"), GET * 5, max_requests=2).answers) == 2
    served = Served(Server(b"x"), GET * 5, stops=True)
    assert len(served.answers) == 1
    assert b"Connection: close" in served.stream.written


def test_a_stop_during_an_exchange() -> None:
    """The response that is under way says so, and is the last."""
    stopping, server = Stopping(), Server(b"x")

    def forward(request: Request) -> Response:
        stopping.is_on = len(server.requests) == 1
        return server(request)

    stream = FakeStream([GET * 5])
    ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", forward, stopping).serve()
    assert len(server.requests) == 2
    assert stream.written.count(b"Connection: close") == 1


def test_a_body_of_unknown_length_is_sent_in_chunks() -> None:
    """To a client of HTTP/1.0 it ends with the connection."""
    served = Served(Server(b"abc", b"de", length=None), GET)
    assert served.stream.written == OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    served = Served(Server(length=None), GET)
    assert served.stream.written == OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    served = Served(Server(b"abc", b"de", length=None), old + old)
    assert served.stream.written == OK + b"Connection: close\r\n\r\nabcde"


def test_head_has_no_body() -> None:
    """Whatever the server says of its length."""
    server = Server(length=0, fields=[(b"Content-Length", b"100")])
    server.fields = [(b"Content-Length", b"100")]
    served = Served(server, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    assert served.stream.written.startswith(OK + b"Content-Length: 100\r\n\r\nHTTP/1.1 200")


def test_a_body_is_announced_to_a_client_that_waits() -> None:
    """100 Continue goes out when the body is first read, and the expectation goes no further."""
    waiting = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    server = Server(b"x")
    served = Served(server, waiting, b"ab")
    assert served.answers == [b"HTTP/1.1 100 Continue", b"HTTP/1.1 200 OK"]
    assert server.bodies == [b"ab"]
    assert [name for name, _ in server.requests[0].fields] == [b"Host", b"Content-Length"]
    assert Served(Server(b"x"), waiting + b"ab").answers == [b"HTTP/1.1 200 OK"]


def test_a_body_that_nobody_read_ends_the_connection() -> None:
    """Where the next request would begin, it cannot be said."""
    served = Served(
        Server(b"x", reads=False), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789" + GET
    )
    assert len(served.answers) == 1
    assert served.lingers


def test_names_with_underscores_are_dropped() -> None:
    """A server that speaks CGI cannot tell them from those with dashes."""
    server = Server(b"x")
    Served(server, b"GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: 1\r\nX-Ok: 2\r\n\r\n")
    assert server.requests[0].fields == [(b"Host", b"a"), (b"X-Ok", b"2")]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 2000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
        (b"\r\n" * 10 + b"X" + GET, 400),
    ],
)
def test_what_is_refused(request_: bytes, status: int) -> None:
    """The framing of a request is read in one way only; after a refusal the connection is over."""
    limits: dict[str, Any] = {"max_request_line": 100, "max_header_fields": 10, "max_header_size": 1024}
    server = Server(b"x")
    served = Served(server, request_ + GET, **limits)
    assert served.answers[0].startswith(b"HTTP/1.1 %d " % status)
    assert len(served.answers) == 1
    assert b"Connection: close" in served.stream.written
    assert served.lingers


@pytest.mark.parametrize(
    ("reads", "answers"),
    [
        ([ReadTimeout("late")], []),
        ([b"GET / HT", ReadTimeout("late")], [b"HTTP/1.1 408 Request Timeout"]),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12", ReadTimeout("late")],
         [b"HTTP/1.1 408 Request Timeout"]),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12"], [b"HTTP/1.1 400 Bad Request"]),
    ],
)  # fmt: skip
def test_who_is_late(reads: list[bytes | BaseException], answers: list[bytes]) -> None:
    """An idle client is left in silence; one that has begun is told."""
    assert Served(Server(b"x"), *reads).answers == answers


@pytest.mark.parametrize(
    ("reads", "answers"),
    [([], []), ([StreamReset("reset")], []), ([b"GET / HT"], [b"HTTP/1.1 400 Bad Request"])],
)
def test_who_leaves(reads: list[bytes | BaseException], answers: list[bytes]) -> None:
    """A client that leaves gets nothing, unless it has begun and may have ended only what it sends."""
    assert Served(Server(b"x"), *reads).answers == answers


def test_a_response_that_breaks_off_looks_broken() -> None:
    """The client's connection is reset, whatever the framing."""
    for length in (10, None):
        served = Served(Server(b"abc", StreamReset("gone"), length=length), GET + GET)
        assert served.stream.aborted
        assert len(served.answers) == 1


def test_a_response_that_never_begins_has_a_status() -> None:
    """As long as nothing was sent, the client can be told; a head that came without any of its body goes at once."""
    assert Served(Server(StreamReset("gone"), length=10, at_hand=True), GET).answers == [b"HTTP/1.1 502 Bad Gateway"]
    served = Served(Server(StreamReset("gone"), length=10), GET)
    assert served.answers == [b"HTTP/1.1 200 OK"]
    assert served.stream.aborted


def test_a_client_that_takes_nothing() -> None:
    """A write that fails ends the exchange and the connection; the response is closed."""
    server = Server(b"x" * 100)
    stream = FakeStream([GET], takes=10)
    connection = ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", server, Stopping())
    assert not connection.serve()
    assert stream.aborted
    assert server.closed == 1


def test_exchanges_are_accounted_for() -> None:
    """Also those that break off."""
    told: list[tuple[bytes, int, int]] = []

    def account(request: Request, response: Response, sent: int, seconds: float) -> None:
        assert 0 <= seconds < math.inf
        told.append((request.target, response.status, sent))

    Served(Server(b"abc", b"de", length=None), GET, account=account)
    Served(Server(b"abc", StreamError("gone"), length=10), GET, account=account)
    assert told == [(b"/", 200, 5), (b"/", 200, 3)]


def test_an_idle_connection_can_be_ended() -> None:
    """Only while it waits for a request; the first one has a while to come."""
    stream = FakeStream()
    connection = ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", Server(), Stopping())
    connection.end_if_idle()
    assert stream.deadline_s is None
    connection.is_idle = True
    connection.end_if_idle()
    assert stream.deadline_s == WAIT_WHEN_STOPPING
    connection.answered = Response(200, b"OK", [], 0, whole=b"")
    connection.end_if_idle()
    assert stream.deadline_s == 0


UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (UPGRADE, b"websocket"),
        (UPGRADE.replace(b", Upgrade", b""), b""),
        (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"), b""),
        (UPGRADE.replace(b"websocket", b"h2c"), b""),
        (UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx"), b""),
        (GET, b""),
    ],
)
def test_who_wants_another_protocol(request_: bytes, wanted: bytes) -> None:
    """Only a request without a body, and never for HTTP/2, with which requests would go past routes."""
    server = Server(b"x")
    Served(server, request_)
    assert server.requests[0].upgrade == wanted


def test_an_upgrade_is_carried() -> None:
    """After the head, the streams and what was read ahead are handed over; nothing follows, the server is let go."""
    carried: list[tuple[Any, bytes, Tunnel]] = []
    closed: list[bool] = []
    tunnel = Tunnel(FakeStream(), b"early", 3600.0, 30.0, lambda sent, received: None)
    fields = [(b"Connection", b"upgrade"), (b"Upgrade", b"websocket")]
    switched = Response(101, b"Switching Protocols", fields, 0, bytes, lambda: closed.append(True), tunnel=tunnel)
    stream = FakeStream([UPGRADE + b"frame"])
    connection = ClientConnection(
        stream,
        make_listener(Protocol.HTTP, "web"),
        "",
        "http",
        lambda request: switched,
        Stopping(),
        tunnel=lambda *arguments: carried.append(arguments),
    )
    assert connection.serve()
    assert carried == [(stream, b"frame", tunnel)]
    assert closed == [True]
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert stream.written == head
    assert stream.deadline_s == math.inf


@pytest.mark.interpreted
def test_one_client_does_not_hold_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests it has sent ahead, others get their turn."""
    monkeypatch.setattr("deston.net.hub.LONGEST_TURN", 0.0)
    turns: list[int] = []
    server = Server(b"x")

    def count() -> None:
        while len(server.requests) < 50:
            turns.append(len(server.requests))
            gevent.sleep(0)

    counting = gevent.spawn(count)
    Served(server, GET * 50)
    counting.get()
    assert len(turns) > 10


def test_an_empty_line_behind_a_body_is_no_request() -> None:
    """The client is idle: it gets the time of one, and no 408."""
    stream = FakeStream([GET + b"\r\n", ReadTimeout("idle")])
    connection = ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", Server(b"x"), Stopping())
    assert not connection.serve()
    assert stream.written.count(b"HTTP/1.1 ") == 1


def test_a_worker_that_stops_waits_less() -> None:
    """A connection that was accepted at the last moment may still ask, but not take its time."""
    stream = FakeStream([ReadTimeout("idle")])
    connection = ClientConnection(stream, make_listener(Protocol.HTTP, "web"), "", "http", Server(), Stopping(True))
    assert not connection.serve()
    assert stream.deadline_s == WAIT_WHEN_STOPPING
