"""What an intermediary of HTTP/1.1 has to do beyond requests and responses, under our own worker and gevent's.

The server is spoken for by hand, so that the order of what either side says is the test's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.commands import L7, Command, start
from tests.integration.configs import http, pool, write_config
from tests.integration.processes import Processes
from tests.integration.wire import ScriptedServer, Wire, connect, reserved_port

WORKERS = ["deston.l7.worker.ProxyWorker", "gevent"]
HOST = b"Host: a.test\r\n"
CLOSE = b"Connection: close\r\n"
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
SHORT = {"header_timeout": "500ms", "body_timeout": "2s"}
# More than all sockets on the way can hold.
LARGE = 64 << 20


@dataclass(frozen=True)
class Site:
    """Deston in front of one server, and of another one that comes second in the pool ``two``."""

    command: Command
    server: ScriptedServer
    second: ScriptedServer
    is_own: bool

    def connect(self) -> Wire:
        return connect(self.command.address)


@pytest.fixture(scope="module", params=WORKERS, ids=["own", "gevent"])
def site(
    request: pytest.FixtureRequest, module_processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Each worker in its turn."""
    folder: Path = tmp_path_factory.mktemp("semantics")
    with ScriptedServer() as server, ScriptedServer() as second, reserved_port() as dead:
        pools = {
            "app": pool({"a": server.address}),
            "hasty": pool({"a": server.address}, server_timeout="300ms"),
            "two": pool(
                {"a": server.address, "b": f"{second.address}, backup=yes"},
                retry_on="reset, timeout, 503",
                server_timeout="300ms",
            ),
            "dead": pool({"a": dead, "b": f"{second.address}, backup=yes"}),
        }
        routes = {name: {"host": f"{name}.test", "pool": name} for name in ("hasty", "two", "dead")}
        file = write_config(folder, {"web": http(**SHORT)}, pools=pools, routes=routes)
        command = start(L7, module_processes, file, options=["-k", request.param])
        yield Site(command, server, second, request.param != "gevent")


def request(method: bytes = b"GET", *lines: bytes, host: bytes = b"a.test") -> bytes:
    """A head; its connection is closed afterwards."""
    return b"\r\n".join([method + b" / HTTP/1.1", b"Host: " + host, b"Connection: close", *lines]) + b"\r\n\r\n"


# --- interim responses


def test_early_hints(site: Site) -> None:
    """They reach the client at once, without what is about the connection."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X\r\nX: 1\r\n\r\n")
            assert client.read_head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
            server.send(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)
            assert client.read_head() == b"HTTP/1.1 102 Processing\r\n\r\n"
            assert client.read_all().endswith(b"\r\n\r\nok")


def test_a_client_of_http_1_0_gets_none(site: Site) -> None:
    """It would take them for the response (RFC 9110 section 15.2)."""
    with site.connect() as client:
        client.send(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
            assert b" 200 " in client.read_all().split(b"\r\n")[0]


def test_interim_responses_without_end(site: Site) -> None:
    """A server that says nothing else has failed."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 101)
            assert b"\r\n\r\nHTTP/1.1 502 " in client.read_all()


def test_interim_responses_without_end_while_a_body_is_due(site: Site) -> None:
    """Nor may it say them for ever to a client that has not sent all of its body."""
    if not site.is_own:
        pytest.skip("through WSGI nobody can wait for a body and for a server at once")
    with site.connect() as client:
        client.send(request(b"POST", b"Content-Length: 9") + b"begun")
        with site.server.accept() as server:
            server.read_until(b"begun")
            server.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 101)
            assert b"\r\n\r\nHTTP/1.1 502 " in client.read_all()


# --- the expectation of 100 Continue


EXPECT = (b"Expect: 100-continue", b"Content-Length: 3")


def test_a_server_that_wants_the_body(site: Site) -> None:
    """It is asked before a byte of the body has come, and its word reaches the client."""
    with site.connect() as client:
        client.send(request(b"POST", *EXPECT))
        with site.server.accept() as server:
            assert b"\r\nexpect: 100-continue\r\n" in server.read_head().lower()
            server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"abc")
            assert server.read_until(b"abc") == b"abc"
            server.send(OK)
            assert client.read_all().endswith(b"ok")


def test_a_server_that_does_not_want_the_body(site: Site) -> None:
    """Its refusal reaches a client that has sent nothing yet, and ends the connection."""
    with site.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"\r\n".join(EXPECT) + b"\r\n\r\n")
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
            answer = client.read_all()
            assert answer.startswith(b"HTTP/1.1 417 ")
            assert b"\r\nconnection: close\r\n" in answer.lower()


def test_a_server_that_knows_no_expectations(site: Site) -> None:
    """After a while the client is told to send anyway."""
    with site.connect() as client:
        client.send(request(b"POST", *EXPECT))
        with site.server.accept() as server:
            server.read_head()
            assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(b"abc")
            assert server.read_until(b"abc") == b"abc"
            server.send(OK)
            assert client.read_all().endswith(b"ok")


# --- trailers


def test_trailers(site: Site) -> None:
    """They go both ways, but for those that may not stand behind a body; through WSGI none comes back."""
    coded = (b"Transfer-Encoding: chunked", b"Trailer: X-Sum", b"TE: trailers")
    with site.connect() as client:
        client.send(request(b"POST", *coded) + b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
        with site.server.accept() as server:
            head = server.read_head().lower()
            assert b"\r\ntrailer: x-sum\r\n" in head
            assert (b"\r\nte: trailers\r\n" in head) is site.is_own
            assert server.read_until(b"\r\n\r\n").lower() == b"3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"
            server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\nConnection: close\r\n\r\n")
            server.send(b"2\r\nok\r\n0\r\nX-End: 1\r\nContent-Length: 9\r\n\r\n")
            answer = client.read_all()
            assert answer.endswith(b"\r\n0\r\nX-End: 1\r\n\r\n" if site.is_own else b"\r\n0\r\n\r\n")
            assert (b"\r\nTrailer: X-End\r\n" in answer) is site.is_own


# --- streams


def test_events_arrive_one_by_one(site: Site) -> None:
    """The head goes out before any event is there, and each event when it is."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            assert b"text/event-stream" in client.read_head()
            for number in (b"1", b"2"):
                server.send(b"data: " + number + b"\n\n")
                assert client.read_until(b"\n\n\r\n").endswith(b"data: " + number + b"\n\n\r\n")


def test_an_answer_before_the_body_has_come(site: Site) -> None:
    """It reaches a client that is still sending, which is then cut off from its next request."""
    if not site.is_own:
        pytest.skip("through WSGI nobody can wait for a body and for a server at once")
    with site.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nbegun")
        with site.server.accept() as server:
            server.read_until(b"begun")
            server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            assert client.read_all().endswith(b"Connection: close\r\n\r\nbig")


def test_a_conversation(site: Site) -> None:
    """A server may answer each piece of a body when it has come: the rest of it goes on meanwhile."""
    if not site.is_own:
        pytest.skip("through WSGI nobody can wait for a body and for a server at once")
    with site.connect() as client:
        client.send(request(b"POST", b"Transfer-Encoding: chunked") + b"4\r\none\n\r\n")
        with site.server.accept() as server:
            server.read_until(b"one\n\r\n")
            server.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nONE\n\r\n")
            assert client.read_until(b"ONE\n\r\n").startswith(b"HTTP/1.1 200 ")
            for lower, upper in ((b"two\n", b"TWO\n"), (b"six\n", b"SIX\n")):
                client.send(b"4\r\n" + lower + b"\r\n")
                assert server.read_until(lower + b"\r\n")
                server.send(b"4\r\n" + upper + b"\r\n")
                assert client.read_until(upper + b"\r\n")
            client.send(b"0\r\n\r\n")
            assert server.read_until(b"0\r\n\r\n")
            server.send(b"0\r\n\r\n")
            assert client.read_all() == b"0\r\n\r\n"


# --- ends


def test_a_client_that_leaves(site: Site) -> None:
    """The exchange with the server is cancelled at once, whatever its timeout."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            client.close()
            assert server.was_reset() or server.read_all() == b""


def test_a_client_that_ends_its_side(site: Site) -> None:
    """It still gets its response: an interim one tells it from a client that has left."""
    with site.connect() as client:
        client.send(request())
        client.end()
        with site.server.accept() as server:
            server.read_head()
            assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            server.send(OK)
            assert client.read_all().endswith(b"\r\n\r\nok")


def test_a_client_that_leaves_a_silent_stream(site: Site) -> None:
    """Nor does a server go on with a body that nobody takes."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\n\r\nfirst")
            client.read_until(b"first")
            client.close()
            assert server.was_reset() or server.read_all() == b""


def test_a_client_that_has_asked_for_more_already(site: Site) -> None:
    """A pipelined request is no sign that the client has left; answers come in order."""
    with site.connect() as client:
        client.send(b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /2 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
        for number in (b"1", b"2"):
            with site.server.accept() as server:
                assert server.read_head().startswith(b"GET /" + number)
                server.send(OK.replace(b"ok", b"o" + number))
                assert client.read_until(b"o" + number)
        assert client.read_all() == b""


def test_a_client_that_breaks_off_in_a_conversation(site: Site) -> None:
    """A body that stops while the response is on its way is no whole one for the server."""
    if not site.is_own:
        pytest.skip("through WSGI nobody can wait for a body and for a server at once")
    with site.connect() as client:
        client.send(request(b"POST", b"Content-Length: 100") + b"begun")
        with site.server.accept() as server:
            server.read_until(b"begun")
            server.send(b"HTTP/1.1 200 OK\r\n\r\nfirst")
            client.read_until(b"first")
            client.end()
            assert server.was_reset() or server.read_all() == b""
            with pytest.raises(ConnectionResetError):
                client.read_all()


# --- limits of time


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: slow", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3", b"408"),
    ],
)
def test_a_client_that_dawdles(site: Site, said: bytes, status: bytes) -> None:
    """A head has its time as a whole, and a body may pause for its time; no server hears of either."""
    if not site.is_own:
        pytest.skip("gunicorn's worker has limits of its own")
    with site.connect() as client:
        client.send(said)
        assert client.read_all().startswith(b"HTTP/1.1 " + status)


# --- retries


def test_a_status_that_is_retried(site: Site) -> None:
    """The next server's answer is the client's."""
    with site.connect() as client:
        client.send(request(host=b"two.test"))
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            with site.second.accept() as second:
                second.read_head()
                second.send(OK)
                assert client.read_all().endswith(b"\r\n\r\nok")


def test_a_timeout_that_is_retried(site: Site) -> None:
    """Where the pool says so."""
    with site.connect() as client:
        client.send(request(host=b"two.test"))
        with site.server.accept() as server, site.second.accept() as second:
            server.read_head()
            second.read_head()
            second.send(OK)
            assert client.read_all().endswith(b"\r\n\r\nok")


def test_what_is_not_safe_is_not_retried(site: Site) -> None:
    """Whatever the pool says: the server may have acted on it."""
    with site.connect() as client:
        client.send(request(b"POST", b"Content-Length: 1", host=b"two.test") + b"x")
        with site.server.accept() as server:
            server.read_until(b"\r\n\r\nx")
            server.send(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            assert client.read_all().startswith(b"HTTP/1.1 503 ")


def test_a_failed_dial_is_always_retried(site: Site) -> None:
    """Nothing has reached a server."""
    with site.connect() as client:
        client.send(request(b"POST", b"Content-Length: 1", host=b"dead.test") + b"x")
        with site.second.accept() as second:
            assert second.read_until(b"\r\n\r\nx")
            second.send(OK)
            assert client.read_all().endswith(b"\r\n\r\nok")


# --- connection management


def test_via(site: Site) -> None:
    """Both messages say that they passed here, behind those they passed before."""
    with site.connect() as client:
        client.send(request(b"GET", b"Via: 1.0 before"))
        with site.server.accept() as server:
            head = server.read_head()
            assert head.index(b"Via: 1.0 before") < head.index(b"Via: 1.1 deston")
            server.send(OK.replace(b"HTTP/1.1", b"HTTP/1.0"))
            assert b"\r\nVia: 1.0 deston\r\n" in client.read_all()


def test_the_server_says_who_it_is_and_when(site: Site) -> None:
    """Server and Date are the server's own; gunicorn's worker sets the date itself."""
    when = b"Thu, 01 Jan 2026 00:00:00 GMT"
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(OK.replace(b"\r\n\r\n", b"\r\nServer: theirs/1\r\nDate: " + when + b"\r\n\r\n"))
            answer = client.read_all()
            assert b"\r\nServer: theirs/1\r\n" in answer
            assert (when in answer) is site.is_own


@pytest.mark.parametrize("what", [b"CONNECT a.test:443 HTTP/1.1\r\n", b"CONNECT / HTTP/1.1\r\n"])
def test_no_tunnel_is_opened(site: Site, what: bytes) -> None:
    """CONNECT is refused."""
    with site.connect() as client:
        client.send(what + HOST + b"\r\n")
        assert client.read_all().startswith(b"HTTP/1.1 400 ")


def test_a_large_body_to_a_slow_reader(site: Site) -> None:
    """A server whose client does not read is not read from either: memory stays bounded on the way."""
    with site.connect() as client:
        client.send(request())
        with site.server.accept() as server:
            server.read_head()
            server.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            server.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                server.send(bytes(LARGE))
