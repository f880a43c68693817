"""What an operator is told of exchanges, tunnels and kept connections, and that an end meets the right one."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
import pytest

from deston.l7.gunicorn_client import GunicornClient
from deston.l7.request import Request, Response, Tunnel
from deston.l7.responding import ClientCut, after_tunnel
from deston.l7.sessions import OfVisits, OfWsgi
from deston.l7.visit import Visits
from deston.net.fake import FakeStream
from deston.net.stream import Stream
from deston.sessions.entry import Entry
from tests.builders import make_pool, make_server_config
from tests.leaks import a_while
from tests.peers import wait_until
from tests.unit.l7.builders import make_body, make_request
from tests.unit.l7.test_environ import make_environ
from tests.unit.l7.test_visit import GET, answer, visited
from tests.wires import in_good_time, read_all, read_exactly, tcp_pair


@pytest.fixture
def visits() -> Iterator[Visits]:
    with a_while(Visits(2)) as made:
        yield made


def told(source: Any) -> list[Entry]:
    return [source.describe(one, "7-1", time.monotonic()) for one in source.under_way()]


def kinds(source: Any) -> list[str]:
    return [one.kind for one in told(source)]


def hang(request: Request) -> Response:
    """Give a request to a server that never answers."""
    request.began = time.monotonic()
    request.lease = make_pool(make_server_config("a")).lease("")
    gevent.sleep(60)
    raise AssertionError("it was not ended")


def end(source: Any, kind: str) -> Any:
    """End the one of that kind; what it was."""
    (found,) = [one for one, entry in zip(source.under_way(), told(source), strict=True) if entry.kind == kind]
    identity = source.identity(found)
    assert source.end(found) == ""
    wait_until(lambda: source.identity(found) is not identity, "the end", gevent.sleep)
    return identity


def test_an_exchange_is_told_and_ended(visits: Visits) -> None:
    """Whose it is, with which server, and what is asked for; its client is cut off."""
    source = OfVisits(visits)
    with visited(visits, hang) as client:
        client.sendall(GET.replace(b"GET / ", b"GET /a%20b?c "))
        wait_until(lambda: [one.server for one in told(source)] == ["a"], "the exchange", gevent.sleep)
        (entry,) = told(source)
        assert entry[:6] == ("7-1", "http", "web", f"127.0.0.1:{client.getsockname()[1]}", "app", "a")
        assert (entry.bytes_in, entry.bytes_out, entry.about) == (0, 0, "GET /a%20b?c")
        assert 0 <= entry.age < 60
        assert isinstance(end(source, "http"), Request)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert source.under_way() == []


def test_the_bytes_of_a_long_body_are_told_as_they_go(visits: Visits) -> None:
    """And those that came of a request's."""
    source, more = OfVisits(visits), gevent.event.Event()

    def stream(request: Request) -> Response:
        pieces = iter([b"x" * 1000, b""])
        request.body = make_body(b"y" * 10, length=20)
        request.body.read()

        def send_to(client: Any, turn: Any, count: Callable[[int], None]) -> None:
            count(500)
            more.wait()

        return Response(200, b"OK", [], 1500, read=lambda: next(pieces), is_at_hand=lambda: True, send_to=send_to)

    with visited(visits, stream) as client:
        client.sendall(GET)
        read_exactly(client, 1000)
        wait_until(lambda: told(source)[0].bytes_out == 1500, "the bytes", gevent.sleep)
        assert told(source)[0].bytes_in == 10
        more.set()


def test_a_client_that_asks_for_nothing(visits: Visits) -> None:
    """Is idle, with a greenlet or without; it can be ended, too."""
    source = OfVisits(visits)
    with visited(visits) as parked, visited(visits, parks_after=60.0) as waiting:
        for one in (parked, waiting):
            one.sendall(GET)
            assert one.recv(1000)
        wait_until(lambda: len(visits._parked) == 1, "one is parked", gevent.sleep)
        assert kinds(source) == ["idle", "idle"]
        assert told(source)[0][4:6] == ("", "")
        for visit in source.under_way():
            source.end(visit)
        wait_until(lambda: not source.under_way(), "the end of both", gevent.sleep)
        assert parked.recv(1) == b""
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)


def test_a_client_within_a_head(visits: Visits) -> None:
    """Has begun to ask for something."""
    source = OfVisits(visits)
    with visited(visits) as client:
        client.sendall(b"GET / HT")
        wait_until(lambda: kinds(source) == ["http"], "the head", gevent.sleep)
        assert told(source)[0].about == "between requests"


def test_the_next_request_is_not_ended_in_the_place_of_another(visits: Visits) -> None:
    """Where the exchange that an operator means is over before its end is due."""
    source, go_on = OfVisits(visits), gevent.event.Event()

    def wait(request: Request) -> Response:
        if request.target == b"/first":
            go_on.wait()
        return answer(request)

    with visited(visits, wait, parks_after=60.0) as client:
        client.sendall(GET.replace(b"/ ", b"/first ") + GET)
        wait_until(lambda: kinds(source) == ["http"], "the first", gevent.sleep)
        (visit,) = source.under_way()
        first = source.identity(visit)
        go_on.set()  # Its greenlet goes on before the end that is asked for now.
        source.end(visit)
        assert read_exactly(client, 2 * len(b"HTTP/1.1 200 OK\r\n\r\n")).count(b"200 OK") == 2
        assert source.identity(visit) is not first


def test_what_is_over_is_freed_at_once(visits: Visits) -> None:
    """Without the garbage collector, which would have all the more to look through."""

    class Mark(str):
        """What nobody has but the request."""

    seen: list[weakref.ref[str]] = []

    def note(request: Request) -> Response:
        request.tls_version = Mark()
        seen.append(weakref.ref(request.tls_version))
        return answer(request)

    gc.disable()
    try:
        with visited(visits, note) as client:
            client.sendall(GET)
            assert client.recv(1000)
            wait_until(lambda: seen[0]() is None, "the end of the first", gevent.sleep)
            client.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert read_all(client)
            wait_until(lambda: len(visits) == 0, "the end of the visit", gevent.sleep)
            assert seen[1]() is None
    finally:
        gc.enable()


def test_a_tunnel_is_told_and_ended(visits: Visits) -> None:
    """With its own bytes, and both of its sides are cut."""
    source = OfVisits(visits)
    with tcp_pair() as (near_server, server):

        def upgrade(request: Request) -> Response:
            request.began = time.monotonic()
            stream = Stream(near_server)
            tunnel = Tunnel(stream, b"", 60.0, 60.0, lambda *both: None)
            return Response(101, b"Switching Protocols", [], 0, tunnel=tunnel, close=stream.close)

        with visited(visits, upgrade) as client:
            client.sendall(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
            client.sendall(b"hello")
            assert read_exactly(server, 5) == b"hello"
            (entry,) = told(source)
            assert (entry.kind, entry.bytes_in, entry.bytes_out) == ("tunnel", 5, 0)
            assert entry.about == "websocket GET /chat"
            end(source, "tunnel")
            for one in (client, server):
                with pytest.raises(ConnectionResetError):
                    one.recv(1)


class Log:
    """A record that keeps how an exchange ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, BaseException | None]] = []

    def end(self, sent: int, error: BaseException | None = None) -> None:
        self.ended.append((sent, error))


def begin(clients: set[GunicornClient], **changes: Any) -> GunicornClient:
    """A client of a WSGI server whose request is under way."""
    client = GunicornClient(make_environ())
    client.begin(make_request(target=b"/x", **changes))
    clients.add(client)
    return client


def test_a_request_of_a_wsgi_server_is_told_and_ended() -> None:
    """By an error that the server takes for a client that left."""
    clients: set[GunicornClient] = set()
    source, log = OfWsgi(clients, in_threads=False), Log()

    def serve() -> None:
        client = begin(clients, record=log, peer="")
        try:
            hang(client.request)  # type: ignore[arg-type]
        except BaseException as error:
            client.broke_off(error)
            clients.discard(client)
            client.close()
            raise

    with in_good_time():
        serving = gevent.spawn(serve)
        wait_until(lambda: clients, "the request", gevent.sleep)
        (entry,) = told(source)
        assert entry[:6] == ("7-1", "http", "web", "unix", "app", "a")
        assert entry.about == "GET /x"
        end(source, "http")
        serving.join()
    assert isinstance(serving.exception, ClientCut)
    assert log.ended == [(0, serving.exception)]


def test_a_request_in_a_thread_is_told_only() -> None:
    """Nothing reaches into a thread."""
    clients: set[GunicornClient] = set()
    source = OfWsgi(clients, in_threads=True)
    client = begin(clients)
    assert told(source)[0].pool == ""
    assert source.end(client) == "a request that is served by a thread cannot be ended from outside"
    client.close()


def test_a_fault_is_no_end_by_an_operator() -> None:
    """gunicorn tells of it."""
    clients: set[GunicornClient] = set()
    log = Log()
    client = begin(clients, record=log)
    client.broke_off(ValueError("a fault"))
    client.close()
    assert log.ended == []


def test_the_end_of_a_tunnel_of_a_wsgi_server_is_logged_as_it_was() -> None:
    """Not as one in good order."""
    log, closed = Log(), []
    client = GunicornClient(make_environ())

    def carry(response: Response, tunnel: Tunnel) -> None:
        raise ClientCut("an operator has ended it")

    client_carries: Any = type("Client", (), {"carry": staticmethod(carry), "reset": client.reset})()
    response = Response(101, b"Switching Protocols", [], 0, close=lambda: closed.append(True))
    with pytest.raises(ClientCut) as caught:
        after_tunnel(response, Tunnel(FakeStream(), b"", 1.0, 1.0, lambda *both: None), client_carries, log)  # type: ignore[arg-type]
    assert log.ended == [(0, caught.value)]
    assert closed == [True]
