"""The server of one listening socket under our own worker: who owns a connection that was accepted."""

from __future__ import annotations

import errno
import socket
from _socket import socket as RawSocket
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pool import Pool

from deston.l7.accepting import Acceptor
from tests.unit.l7.builders import Sentences
from tests.wires import in_good_time, listening


def test_a_connection_outlives_its_greenlet() -> None:
    """It may be parked; it is raw and never blocks, and whoever handles it is told where it came from."""
    handled: list[tuple[Any, RawSocket, Any]] = []
    with in_good_time(), listening() as one:
        server = Acceptor(lambda *given: handled.append(given), True, one, Pool(10), log=None)
        server.start()
        with gevent.socket.create_connection(one.getsockname()) as client:
            while not (handled and not server.pool):
                gevent.sleep(0.001)
            ((given, raw, address),) = handled
            assert (given, address) == (one, client.getsockname())
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

    with in_good_time(), listening() as one:
        server = Acceptor(lambda *given: None, False, one, Broken(10))
        assert server.max_accept == 1
        server.start()
        with gevent.socket.create_connection(one.getsockname()) as client:
            assert client.recv(1) == b""
        server.stop()
    assert "no room" in capfd.readouterr().err


def test_descriptors_that_have_run_out_are_waited_for(said: Sentences) -> None:
    """It is said once, without a traceback, and who has waited is accepted later."""
    handled: list[RawSocket] = []
    with in_good_time(), listening(errno.EMFILE, errno.EMFILE) as one:
        server = Acceptor(lambda listening, raw, address: handled.append(raw), True, one, Pool(10))
        server.start()
        with gevent.socket.create_connection(one.getsockname()):
            while not handled:
                gevent.sleep(0.001)
            handled[0].close()
        server.stop()
    assert said.text.count("accepting pauses: Too many open files") == 1


def test_all_that_wait_are_accepted_at_once_where_nobody_else_does() -> None:
    """Without a number, it is gevent's own."""
    with listening() as one:
        server = Acceptor(lambda *given: None, True, one, Pool(10))
        assert server.max_accept == 100
        assert one.family is socket.AF_INET
        server.close()
