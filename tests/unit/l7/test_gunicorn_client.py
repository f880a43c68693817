"""What gunicorn lets an application do for a client, where it lets it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import socket

from deston.errors import ClientGone
from deston.l7.fields import Fields
from deston.l7.gunicorn_client import GunicornClient, keep_raw
from deston.l7.http1 import GO_AHEAD, ResponseHead
from tests.wires import in_good_time


class Body:
    """The body of a request of gunicorn's: all that hook and application share."""


class Request:
    """gunicorn's request, as far as the hook knows it."""

    _expected_100_continue = True

    def __init__(self) -> None:
        self.body = Body()
        self.headers = [("HOST", "a.test")]
        self.trailers = [("X-SUM", "6")]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with in_good_time(), near, far:
        yield near, far


def make_client(near: Any, *, is_ours: bool = True, **environ: Any) -> GunicornClient:
    request = Request()
    keep_raw(request, is_ours)
    return GunicornClient({"wsgi.input": request.body, "gunicorn.socket": near, **environ})


def hints(status: int = 103) -> ResponseHead:
    return ResponseHead(1, status, b"Interim", Fields([(b"Link", b"</x>"), (b"Connection", b"close")]))


def test_interim_responses(pair: tuple[socket.socket, socket.socket]) -> None:
    """They go straight to the socket; a client is told to send once at most."""
    near, far = pair
    client = make_client(near)
    assert client.expects
    client.interim(hints())
    assert far.recv(100) == b"HTTP/1.1 103 Interim\r\nLink: </x>\r\n\r\n"
    client.tell_to_send()
    client.interim(hints(100))
    assert far.recv(100) == GO_AHEAD
    assert not client.expects
    near.close()
    with pytest.raises(ClientGone):
        client.interim(hints())


def test_a_client_of_http_1_0(pair: tuple[socket.socket, socket.socket]) -> None:
    """It knows nothing of the kind."""
    client = make_client(pair[0], SERVER_PROTOCOL="HTTP/1.0")
    client.interim(hints())
    assert (client.expects, client.upgrade({b"upgrade": [b"x"], b"connection": [b"upgrade"]})) == (False, b"")
    pair[0].close()
    assert pair[1].recv(100) == b""


def test_where_our_application_is_inside_another(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nothing is taken over."""
    client = make_client(pair[0], is_ours=False)
    assert (client.expects, client.trailers) == (False, [])
    client.interim(hints())
    pair[0].close()
    assert pair[1].recv(100) == b""


def test_trailers_of_a_request(pair: tuple[socket.socket, socket.socket]) -> None:
    assert make_client(pair[0]).trailers == [(b"X-SUM", b"6")]


def test_without_a_descriptor_nothing_is_taken_over(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is served though there is none left for another protocol."""

    def none_left(_descriptor: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    client = make_client(pair[0])
    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", none_left)
        assert client.upgrade({b"upgrade": [b"x"], b"connection": [b"upgrade"]}) == b""
    assert client.stream is not None
    client.close()


def test_what_is_taken_over_is_our_own(pair: tuple[socket.socket, socket.socket]) -> None:
    """Another protocol goes on while gunicorn closes its socket."""
    client = make_client(pair[0])
    assert client.upgrade({b"upgrade": [b"x"], b"connection": [b"upgrade"]}) == b"x"
    stream = client.stream
    assert stream is not None
    assert stream.socket.fileno() != pair[0].fileno()
    client.close()
    assert stream.socket.fileno() == -1


def test_who_takes_over_lets_go_of_what_was_watched(pair: tuple[socket.socket, socket.socket]) -> None:
    client = make_client(pair[0])
    watched = client.stream
    assert watched is not None
    watched.watch(lambda: None)
    assert client.upgrade({b"upgrade": [b"x"], b"connection": [b"upgrade"]}) == b"x"
    assert client.stream is not watched
    assert not watched.has_been_quiet
    client.close()


def test_nobody_watches_what_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    client = make_client(pair[0])
    pair[0].close()
    assert client.stream is None


def test_a_reset_lets_go_first(pair: tuple[socket.socket, socket.socket]) -> None:
    """Else the hub would watch a descriptor that may be another's by then."""
    client = make_client(pair[0])
    stream = client.stream
    assert stream is not None
    stream.watch(lambda: None)
    client.reset()
    assert not stream.has_been_quiet
    assert pair[0].fileno() == -1
    client.close()


def test_watching_leaves_gunicorn_its_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    """It is the same one, and nobody watches it afterwards."""
    near, far = pair
    client = make_client(near)
    stream = client.stream
    assert stream is not None
    assert client.stream is stream
    stream.watch(lambda: None)
    client.close()
    assert not stream.has_been_quiet
    near.sendall(b"still there")
    assert far.recv(100) == b"still there"
