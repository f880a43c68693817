"""Dialing: whom it reaches, and what each failure is called."""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

import gevent
import pytest

from deston.address import Address
from deston.errors import ConnectError, ConnectTimeout, OutOfDescriptors, OutOfPorts, Retry
from deston.net.dial import dial, error_kind
from tests.peers import ClosesAtOnce, EchoServer, RefusingPort, UnansweringPort, has_ipv6
from tests.starved import run_apart
from tests.wires import in_good_time

PATIENCE = 20.0
SHORT = 0.1


def echo_through(address: Address) -> bytes:
    with in_good_time():
        stream = dial(address, PATIENCE)
        try:
            stream.write(b"hello")
            return stream.read(100)
        finally:
            stream.close()


def test_a_server_is_reached() -> None:
    """A dialed stream is connected to the server, and has no deadline left from the dial."""
    with EchoServer() as server, in_good_time():
        assert echo_through(server.address) == b"hello"
        stream = dial(server.address, PATIENCE)
        assert stream.deadline == float("inf")
        stream.close()


def test_small_writes_are_sent_at_once() -> None:
    """The kernel does not hold back small segments until the peer has acknowledged the last."""
    with EchoServer() as server, in_good_time():
        stream = dial(server.address, PATIENCE)
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        stream.close()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_server_is_reached_over_ipv6() -> None:
    """An IPv6 literal is dialed as it is."""
    with EchoServer(Address("::1")) as server:
        assert echo_through(server.address) == b"hello"


def test_a_unix_socket_is_reached(tmp_path: Path) -> None:
    """A path is dialed as a unix socket."""
    with EchoServer(Address(path=str(tmp_path / "echo.sock"))) as server:
        assert echo_through(server.address) == b"hello"


def test_a_refusal() -> None:
    """A port on which nothing listens is told from the answer, without waiting, and another server may be tried."""
    with RefusingPort() as port, in_good_time():
        with pytest.raises(ConnectError, match=f"^127.0.0.1:{port.port}: Connection refused$") as caught:
            dial(port.address, PATIENCE)
        assert caught.value.retry is Retry.ALWAYS


def test_a_server_that_does_not_answer() -> None:
    """A server whose queue is full is given up after the timeout, and not before."""
    with UnansweringPort() as port, in_good_time():
        started = time.monotonic()
        with pytest.raises(ConnectTimeout, match=f"^127.0.0.1:{port.port}: no connection within 0.1s$"):
            dial(port.address, SHORT)
        assert time.monotonic() - started >= SHORT


def test_other_greenlets_run_meanwhile() -> None:
    """A dial that waits keeps nobody else from running."""
    ran: list[int] = []
    with UnansweringPort() as port, in_good_time():
        gevent.spawn(ran.append, 1)
        with pytest.raises(ConnectTimeout):
            dial(port.address, SHORT)
    assert ran == [1]


def test_a_kill_ends_a_dial() -> None:
    """A greenlet that is killed while it dials leaves no socket behind."""
    with UnansweringPort() as port, in_good_time():
        dialing = gevent.spawn(dial, port.address, PATIENCE)
        gevent.sleep(0.01)
        dialing.kill()
        assert isinstance(dialing.value, gevent.GreenletExit)


@pytest.mark.parametrize("name", ["localhost", "app1", "no.such.name.test"])
def test_a_name_is_not_dialed(name: str) -> None:
    """A name never reaches the resolver from here, which would block: it is refused, even if it could be resolved."""
    with EchoServer() as server:
        with pytest.raises(ConnectError, match=f"^{name}:{server.port}: the name has not been resolved$"):
            dial(Address(name, server.port), PATIENCE)
        assert server.accepted == 0


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/" + "a" * 200, "path too long"), ("/no/such/folder/a.sock", "No such file or directory")],
)
def test_a_path_that_cannot_be_dialed(path: str, reason: str) -> None:
    """A path that leads nowhere, or that no socket can have, is a failed dial like any other."""
    with pytest.raises(ConnectError, match=reason):
        dial(Address(path=path), PATIENCE)


def test_a_unix_socket_that_nobody_listens_on(tmp_path: Path) -> None:
    """The file of a server that has gone is a refusal."""
    with EchoServer(Address(path=str(tmp_path / "echo.sock"))) as server:
        address = server.address
    with pytest.raises(ConnectError, match="Connection refused"):
        dial(address, PATIENCE)


def test_an_unreachable_address() -> None:
    """An address that the machine has no route to fails at once, with the system's reason."""
    with pytest.raises(ConnectError, match=r"^255\.255\.255\.255:80: ") as caught, in_good_time():
        dial(Address("255.255.255.255", 80), SHORT)
    assert caught.value.retry is Retry.ALWAYS


def test_a_server_that_closes_at_once() -> None:
    """A dial is over when the connection is: what the server does then is seen by reading."""
    with ClosesAtOnce() as server, in_good_time():
        stream = dial(server.address, PATIENCE)
        assert stream.read(1) == b""
        stream.close()


def test_out_of_descriptors_is_our_own_fault() -> None:
    """Where no descriptor is left, the error says so, and no other server is tried for it."""
    printed = run_apart(
        """
from deston.address import Address
from deston.errors import OutOfDescriptors, Retry
from deston.net.dial import dial
from deston.net.hub import sweeper

sweeper()
leave_descriptors(0)
try:
    dial(Address("127.0.0.1", 1), 1.0)
except OutOfDescriptors as error:
    print(error, error.retry is Retry.NEVER)
leave_descriptors(None)
"""
    )
    assert printed == "127.0.0.1:1: Too many open files True\n"
    assert issubclass(OutOfDescriptors, ConnectError)


def test_out_of_ports_is_our_own_fault() -> None:
    """An address that this machine does not have, or a port, is no fault of a server; another one may be tried."""
    with EchoServer() as server, pytest.raises(OutOfPorts, match=r"no connection from 192\.0\.2\.1") as caught:
        dial(server.address, 1.0, "192.0.2.1")
    assert caught.value.retry is Retry.ALWAYS
    assert error_kind(errno.EADDRNOTAVAIL) is OutOfPorts
    assert error_kind(errno.ECONNREFUSED) is ConnectError
