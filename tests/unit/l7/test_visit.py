"""A client's stay with our own worker: who has a greenlet, and how it ends. The client's connections are real."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from deston.config.model import Protocol
from deston.l7.connection import ClientConnection
from deston.l7.request import Request, Response
from deston.l7.stopping import Stopping
from deston.l7.visit import Visit, Visits
from deston.net import hub as hubs
from deston.net.stream import Stream
from tests.builders import make_listener
from tests.leaks import a_while
from tests.peers import wait_until
from tests.wires import in_good_time, tcp_pair

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
SOON = 0.05


def answer(request: Request) -> Response:
    """What every request gets."""
    return Response(200, b"OK", [], 0, whole=b"")


@contextmanager
def visited(
    visits: Visits, forward: Callable[[Request], Response] = answer, parks_after: float = SOON, **listener: Any
) -> Iterator[socket.socket]:
    """A client whose visit is served, in a greenlet of its own at first."""
    with tcp_pair() as (near, far), in_good_time():
        stream = Stream(near)
        config = make_listener(Protocol.HTTP, "web", **listener)
        connection = ClientConnection(stream, config, "192.0.2.7", "http", forward, Stopping())
        connection.parks_after = parks_after
        visit = Visit(stream, stream, connection)
        serving = gevent.spawn(visits.serve, visit)
        yield far
        visits.end_idle()
        far.close()
        serving.join()
        wait_until(lambda: visit not in visits, "the end of a visit that was parked and went on", gevent.sleep)


@pytest.fixture
def visits() -> Iterator[Visits]:
    with a_while(Visits(2)) as made:
        yield made


def ask(client: socket.socket) -> None:
    client.sendall(GET)
    assert client.recv(1000) == ANSWER


def is_parked(visits: Visits) -> bool:
    return bool(visits._parked) and not visits._served and not visits._going


def test_who_waits_for_long_has_no_greenlet(visits: Visits) -> None:
    """A request that comes after all is served, and the next wait begins anew."""
    with visited(visits) as client:
        for _ in range(3):
            ask(client)
            wait_until(lambda: is_parked(visits), "the greenlet's end", gevent.sleep)
            assert len(visits) == 1
            assert repr(visits) == "<Visits 0 served, 1 parked, 0 went on>"


def test_a_parked_client_that_leaves(visits: Visits) -> None:
    """Its connection is closed."""
    with visited(visits) as client:
        wait_until(lambda: is_parked(visits), "the greenlet's end", gevent.sleep)
        client.close()
        wait_until(lambda: len(visits) == 0, "the end of the visit", gevent.sleep)


def test_a_parked_client_whose_time_is_over(visits: Visits) -> None:
    """The keep-alive time counts from its last request, parked or not."""
    with visited(visits, keepalive_timeout=0.3) as client:
        ask(client)
        assert client.recv(1) == b""
        assert len(visits) == 0


def test_only_so_many_are_parked(visits: Visits) -> None:
    """The others keep their greenlets, and are served as ever."""
    with visited(visits), visited(visits), visited(visits) as third:
        wait_until(lambda: len(visits._parked) == 2, "two are parked", gevent.sleep)
        gevent.sleep(3 * SOON)
        assert (len(visits._parked), len(visits._served)) == (2, 1)
        ask(third)


def test_those_that_go_on_count_as_parked(visits: Visits) -> None:
    """So that never more go on than may be parked: a client that comes meanwhile keeps its greenlet."""
    go_on = gevent.event.Event()

    def answer_late(request: Request) -> Response:
        go_on.wait()
        return answer(request)

    with visited(visits, answer_late) as first, visited(visits, answer_late) as second, visited(visits) as third:
        wait_until(lambda: len(visits._parked) == 2, "two are parked", gevent.sleep)
        for client in (first, second):
            client.sendall(GET)
        ask(third)
        wait_until(lambda: len(visits._going) == 2, "both went on", gevent.sleep)
        gevent.sleep(3 * SOON)
        assert (len(visits._going), len(visits._parked), len(visits._served)) == (2, 0, 3)
        go_on.set()
        assert first.recv(1000) == second.recv(1000) == ANSWER


def test_a_stop_ends_those_that_wait(visits: Visits) -> None:
    """Whether they have a greenlet or not."""
    with visited(visits) as parked, visited(visits, parks_after=60.0) as waiting:
        ask(parked)
        ask(waiting)
        wait_until(lambda: len(visits._parked) == 1, "one is parked", gevent.sleep)
        visits.end_idle()
        assert parked.recv(1) == b""
        assert waiting.recv(1) == b""
        wait_until(lambda: len(visits) == 0, "the end of both", gevent.sleep)


def test_who_was_to_be_parked_ends_with_a_stop(visits: Visits) -> None:
    """Its wait is over for good then, whatever place there is among the parked ones."""
    with visited(visits, parks_after=30.0, keepalive_timeout=60.0) as client:
        ask(client)
        wait_until(lambda: visits.all()[0].connection.is_idle, "the wait", gevent.sleep)
        visits.end_idle()
        assert client.recv(1) == b""
        assert len(visits) == 0


def test_a_stop_leaves_a_new_client_its_first_request(visits: Visits) -> None:
    """Its request may be on its way: it came as late as its connection did, and cannot know of a stop."""
    with visited(visits) as client:
        wait_until(lambda: any(visit.connection.is_idle for visit in visits.all()), "the wait", gevent.sleep)
        visits.end_idle()
        gevent.sleep(2 * hubs.FINEST_TICK)
        ask(client)


@pytest.mark.parametrize("parks_after", [SOON, 60.0])
def test_a_request_that_has_come_is_served(visits: Visits, parks_after: float) -> None:
    """Whether its client's wait was ended in the same turn of the loop, parked or not."""
    with visited(visits, parks_after=parks_after) as client:
        ask(client)
        wait_until(lambda: bool(visits._parked) == (parks_after == SOON), "the greenlet's end", gevent.sleep)
        client.sendall(GET)
        visits.end_idle()
        for watched in list(hubs.sweeper().watched):
            hubs.home().hub.loop.run_callback(watched.sweep, time.monotonic())
        assert client.recv(1000) == ANSWER


def test_the_end_of_an_old_clients_request_takes_nothing_from_it(visits: Visits) -> None:
    """Old clients send an empty line behind a body (RFC 9112 section 2.2); one unread would reset the connection."""
    last = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"

    def slow(request: Request) -> Response:
        request.body.read()
        gevent.sleep(SOON)
        return answer(request)

    with visited(visits, slow) as client:
        client.sendall(last)
        gevent.sleep(SOON / 2)
        client.sendall(b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert client.recv(1) == b""


def test_a_drain_waits_for_those_that_went_on(visits: Visits) -> None:
    """They are cut off only when its time is over, and with a reset."""
    told = []

    def slow(request: Request) -> Response:
        gevent.sleep(0.1 if request.target == b"/slow" else 60)
        return answer(request)

    with visited(visits, slow) as client, visited(visits, slow) as stuck:
        wait_until(lambda: len(visits._parked) == 2, "both are parked", gevent.sleep)
        client.sendall(GET.replace(b"/ ", b"/slow "))
        stuck.sendall(GET)
        wait_until(lambda: len(visits._going) == 2, "both went on", gevent.sleep)
        visits.wait(0.3, lambda: told.append(True))
        assert told
        assert client.recv(1000) == ANSWER
        with pytest.raises(ConnectionResetError):
            stuck.recv(1)
