"""The system calls of a stream, in Python and in C: one behaves as the other."""

from __future__ import annotations

import errno
import importlib
import socket
import struct
from types import ModuleType

import pytest

from tests.wires import SMALL_BUFFER, tcp_pair

LARGE = 60_000


@pytest.fixture(params=["calls", "_calls"])
def calls(request: pytest.FixtureRequest) -> ModuleType:
    """One form; that in C is there wherever a compiler is."""
    try:
        return importlib.import_module(f"deston.net.{request.param}")
    except ImportError:
        pytest.skip("there was no compiler")


def test_receiving(calls: ModuleType) -> None:
    """No more than asked for, nothing at the end, and None as long as nothing has come."""
    with tcp_pair() as (near, far):
        number = near.fileno()
        assert calls.receive(number, 10) is None
        far.sendall(b"hello")
        assert calls.receive(number, 4) == b"hell"
        assert calls.receive(number, 10) == b"o"
        assert calls.receive(number, 10) is None
        far.shutdown(socket.SHUT_WR)
        assert calls.receive(number, 10) == b""


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, LARGE])
def test_what_was_received_stays_as_it_is(calls: ModuleType, size: int) -> None:
    """Whatever is received behind it, of any size."""
    with tcp_pair() as (near, far):
        pieces = []
        for letter in (b"a", b"b", b"c"):
            far.sendall(letter * size)
            whole = b""
            while len(whole) < size:
                whole += calls.receive(near.fileno(), LARGE) or b""
            pieces.append(whole)
        assert pieces == [b"a" * size, b"b" * size, b"c" * size]


def test_a_limit_may_change(calls: ModuleType) -> None:
    """With each call, up and down."""
    with tcp_pair() as (near, far):
        far.sendall(b"abcdefgh")
        assert [calls.receive(near.fileno(), limit) for limit in (1, 2, LARGE)] == [b"a", b"bc", b"defgh"]
        far.sendall(b"ij")
        assert [calls.receive(near.fileno(), limit) for limit in (1, 0, 5)] == [b"i", b"", b"j"]


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_transmitting(calls: ModuleType, form: type) -> None:
    """All kinds of bytes, and 0 once the socket takes no more."""
    with tcp_pair(SMALL_BUFFER) as (near, far):
        assert calls.transmit(near.fileno(), form(b"hello")) == 5
        assert far.recv(10) == b"hello"
        sent = 0
        while some := calls.transmit(near.fileno(), form(b"x" * LARGE)):
            sent += some
        assert sent > 0
        assert calls.transmit(near.fileno(), form(b"x")) == 0


def test_errors_are_those_of_the_system(calls: ModuleType) -> None:
    """Each with its number, and no signal."""
    with pytest.raises(OSError, match="Bad file descriptor") as found:
        calls.receive(-1, 1)
    assert found.value.errno == errno.EBADF
    with pytest.raises(OSError, match="Bad file descriptor") as found:
        calls.transmit(-1, b"a")
    assert found.value.errno == errno.EBADF
    with tcp_pair() as (near, far):
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        with pytest.raises(ConnectionResetError):
            calls.receive(near.fileno(), 1)
        with pytest.raises(BrokenPipeError):
            calls.transmit(near.fileno(), b"a")


@pytest.mark.parametrize(
    "arguments", [("receive", "a", 1), ("receive", 0, "a"), ("transmit", "a", b""), ("transmit", 0, "text")]
)
def test_what_makes_no_sense_is_refused(calls: ModuleType, arguments: tuple[str, object, object]) -> None:
    """Before the system is asked."""
    with pytest.raises(TypeError):
        getattr(calls, arguments[0])(*arguments[1:])
