"""The server of one listening socket under our own worker: who owns a connection that was accepted."""

from __future__ import annotations

import socket
from _socket import socket as RawSocket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pool import Pool

from deston.l7.accepting import RawServer
from tests.wires import in_good_time


@contextmanager
def listening_socket() -> Iterator[gevent.socket.socket]:
    """As gevent's patch makes them of gunicorn's: it waits in the hub, and never in the kernel."""
    with gevent.socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def test_a_connection_outlives_its_greenlet() -> None:
    """It may be parked; it is raw and never blocks, and whoever handles it is told where it came from."""
    handled: list[tuple[Any, RawSocket, Any]] = []
    with in_good_time(), listening_socket() as listening:
        server = RawServer(lambda *given: handled.append(given), None, listening, Pool(10), log=None)
        server.start()
        with gevent.socket.create_connection(listening.getsockname()) as client:
            while not (handled and not server.pool):
                gevent.sleep(0.001)
            ((given, raw, address),) = handled
            assert (given, address) == (listening, client.getsockname())
            assert raw.gettimeout() == 0.0
            raw.send(b"still there")
            assert client.recv(100) == b"still there"
            raw.close()
        server.stop()


def test_a_connection_that_nobody_takes_is_closed(capfd: pytest.CaptureFixture[str]) -> None:
    """Such as where there is no memory for a greenlet: the client sees the end, and gevent tells of the fault."""

    class Broken(Pool):  # A greenlet is not to be had.
        def spawn(self, *given: Any, **named: Any) -> Any:
            raise MemoryError("no room")

    with in_good_time(), listening_socket() as listening:
        server = RawServer(lambda *given: None, 1, listening, Broken(10))
        assert server.max_accept == 1
        server.start()
        with gevent.socket.create_connection(listening.getsockname()) as client:
            assert client.recv(1) == b""
        server.stop()
    assert "no room" in capfd.readouterr().err


def test_all_that_wait_are_accepted_at_once_where_nobody_else_does() -> None:
    """Without a number, it is gevent's own."""
    with listening_socket() as listening:
        server = RawServer(lambda *given: None, None, listening, Pool(10))
        assert server.max_accept == 100
        assert listening.family is socket.AF_INET
        server.close()
