"""The acceptor: it hands over every connection, and nothing that goes wrong with one ends it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from _socket import socket as RawSocket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.socket import socket as FarSocket

from deston.l4.server import Acceptor
from deston.l4.slots import Slots
from deston.net.raw_server import ACCEPTS_ALONE, ACCEPTS_SHARED
from deston.net.stream import Stream
from tests.peers import wait_until
from tests.starved import run_apart
from tests.wires import in_good_time, listening, read_all, read_exactly

LOOPBACK = "127.0.0.1"

Handle = Callable[[RawSocket, Any], None]


class Held:
    """A handler that holds each connection until it is told to let it go."""

    def __init__(self) -> None:
        self.count = 0
        self.go = gevent.event.Event()
        self.addresses: list[Any] = []

    def __call__(self, raw: RawSocket, address: Any) -> None:
        self.count += 1
        self.addresses.append(address)
        assert not raw.getblocking()
        self.go.wait()


def echo(raw: RawSocket, address: Any) -> None:
    stream = Stream(raw)
    try:
        while data := stream.read(1000):
            stream.write(data)
    finally:
        stream.close()


@contextlib.contextmanager
def accepting(one: Any, handle: Handle = echo, slots: int = 100, alone: bool = True) -> Iterator[Acceptor]:
    free = Slots(slots)
    acceptor = Acceptor(one, lambda raw, address: serve(handle, free, raw, address), free, alone, "tcp")
    acceptor.start()
    try:
        with in_good_time():
            yield acceptor
    finally:
        acceptor.stop(timeout=0)


def serve(handle: Handle, slots: Slots, raw: RawSocket, address: Any) -> None:
    """As a proxy does: serve, and leave the socket and the slot."""
    try:
        handle(raw, address)
    finally:
        raw.close()
        slots.leave()


@contextlib.contextmanager
def connected(one: Any) -> Iterator[Any]:
    with FarSocket(socket.AF_INET, socket.SOCK_STREAM) as far:
        far.connect(one.getsockname())
        yield far


def echoes(far: Any) -> bool:
    far.sendall(b"hello")
    return read_exactly(far, 5) == b"hello"


@pytest.mark.parametrize("alone", [True, False])
def test_every_connection_is_handed_over(alone: bool) -> None:
    """Whether it accepts in batches or one by one, each client gets its own connection."""
    with listening() as one, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(one)) for _ in range(20)]
        with accepting(one, alone=alone) as acceptor:
            assert acceptor.max_accept == (ACCEPTS_ALONE if alone else ACCEPTS_SHARED)
            assert all(map(echoes, clients))
            assert acceptor.slots.taken == 20
            for client in clients:
                client.close()
            wait_until(lambda: not acceptor.slots.taken, "the slots to be free", gevent.sleep)


def test_a_worker_alone_accepts_in_batches() -> None:
    """One wake-up takes all who wait when nobody else could serve them, and one of them when somebody could."""
    for alone, expected in ((True, 5), (False, 1)):
        held = Held()
        with listening() as one, contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(connected(one))
            with accepting(one, held, alone=alone) as acceptor:
                acceptor.stop_accepting()
                # In the hub, as a watcher would: the crew's greenlets begin there.
                acceptor.loop.run_callback(acceptor._do_read)  # type: ignore[attr-defined]
                gevent.sleep(0)
                assert held.count == expected
                held.go.set()


def test_the_clients_address_is_handed_over() -> None:
    """The handler learns who the client is."""
    held = Held()
    with listening() as one, connected(one) as client, accepting(one, held):
        wait_until(lambda: held.count, "the connection", gevent.sleep)
        assert held.addresses == [client.getsockname()]
        held.go.set()


def test_the_socket_is_closed_after_the_handler() -> None:
    """A connection whose handler returns without closing it is closed."""
    with listening() as one, accepting(one, lambda raw, address: None), connected(one) as client:
        assert read_all(client) == b""


def test_an_error_of_a_handler_ends_its_connection_only(capfd: pytest.CaptureFixture[str]) -> None:
    """A handler that fails has its connection closed; the others and those to come are served."""
    failures = [RuntimeError("a fault of ours")]

    def fail_once(raw: RawSocket, address: Any) -> None:
        if failures:
            raise failures.pop()
        echo(raw, address)

    with listening() as one, accepting(one, fail_once):
        with connected(one) as client:
            assert read_all(client) == b""
        with connected(one) as client:
            assert echoes(client)
    assert "a fault of ours" in capfd.readouterr().err


def test_full_slots_stop_accepting(caplog: pytest.LogCaptureFixture) -> None:
    """While all slots are taken clients wait in the kernel's queue; each that comes free takes the next one.

    The listener says so, but not for every client.
    """
    held = Held()
    with listening() as one, accepting(one, held, slots=2) as acceptor, contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connected(one))
        wait_until(lambda: held.count == 2, "two connections", gevent.sleep)
        gevent.sleep(0.01)
        assert held.count == 2
        assert acceptor.slots.taken == 2
        held.go.set()
        wait_until(lambda: held.count == 5, "all connections", gevent.sleep)
    said = "tcp: all 2 connections that it may hold are open, clients wait"
    assert [record.getMessage() for record in caplog.records] == [said]


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_a_connection_that_is_gone_before_it_is_accepted(
    number: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client that has left the queue, for whatever reason of the network, is nobody's business."""
    with listening(number) as one, connected(one) as client, accepting(one):
        assert echoes(client)
    assert caplog.records == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM])
def test_a_failed_accept_pauses(
    number: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Accepting pauses when it fails, says so once a minute, and goes on by itself; no traceback is printed."""
    with listening(number, number, number) as one, connected(one) as client, accepting(one) as acceptor:
        assert echoes(client)
        assert one.errors == []
        one.errors.append(OSError(number, os.strerror(number)))
        with connected(one) as another:
            assert echoes(another)
        assert acceptor.started
    said = f"tcp: accepting pauses: {os.strerror(number)}"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert capfd.readouterr().err == ""


def test_a_stop_ends_a_pause() -> None:
    """An acceptor that is stopped while it pauses does not begin again."""
    with listening(*[errno.EMFILE] * 10) as one, connected(one):
        with accepting(one) as acceptor:
            wait_until(lambda: len(one.errors) < 10, "the pause", gevent.sleep)
        left = len(one.errors)
        gevent.sleep(0.15)
        assert len(one.errors) == left
        assert acceptor.closed


def test_a_slot_that_comes_free_in_a_pause() -> None:
    """Whatever wakes accepting up before the pause is over, it works or pauses again."""
    held = Held()
    with listening() as one, connected(one), accepting(one, held, slots=1) as acceptor, connected(one):
        wait_until(lambda: held.count == 1, "the first connection", gevent.sleep)
        acceptor._pause(OSError(errno.EMFILE, "out"))
        held.go.set()
        wait_until(lambda: held.count == 2, "the second connection", gevent.sleep)


def test_a_real_shortage_of_descriptors() -> None:
    """Out of descriptors, accepting pauses and nothing dies; when some come free, those who wait are served."""
    printed = run_apart(
        """
import logging
import socket
import sys

import gevent
from gevent.socket import socket as FarSocket

from deston.l4.server import Acceptor
from deston.l4.slots import Slots
from tests.peers import wait_until

logging.basicConfig(stream=sys.stdout, format="%(message)s")
served = []
go = gevent.event.Event()


def serve(raw, address):
    served.append(address)
    go.wait()
    raw.close()


with socket.create_server(("127.0.0.1", 0)) as one:
    one.setblocking(False)
    clients = [FarSocket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(8)]
    acceptor = Acceptor(one, serve, Slots(100), True, "tcp")
    acceptor.start()
    leave_descriptors(3)
    for client in clients:
        client.connect(one.getsockname())
    wait_until(lambda: len(served) == 3, "three connections", gevent.sleep)
    gevent.sleep(0.3)
    assert len(served) == 3
    leave_descriptors(None)
    wait_until(lambda: len(served) == 8, "all connections", gevent.sleep)
    go.set()
    acceptor.stop()
    for client in clients:
        client.close()
print(len(served))
"""
    )
    assert printed == "tcp: accepting pauses: Too many open files\n8\n"


def test_logging_is_quiet_while_all_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    """Accepting says nothing of the connections that it accepts."""
    caplog.set_level(logging.DEBUG)
    with listening() as one, accepting(one), connected(one) as client:
        assert echoes(client)
    assert caplog.records == []
