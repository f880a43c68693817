"""A client that leaves while its response is due, over scripted connections."""

from __future__ import annotations

import gevent
import pytest

from deston.errors import ClientGone
from deston.l7 import leaving
from deston.l7.leaving import PROBE, ClientWatch
from deston.net.fake import FakeStream
from tests.peers import wait_until


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks after a client follow one another at once."""
    monkeypatch.setattr(leaving, "LOOKS", (0.0, 0.0))


def speak(client: FakeStream) -> None:
    """Let the hub see that the client has sent something, or ended."""
    assert client.watched is not None
    client.watched()


def test_a_client_that_has_sent_its_next_request() -> None:
    """It has not left, and is asked no more."""
    client, server = FakeStream([b"GET"]), FakeStream()
    ClientWatch(client, server, may_probe=True)
    speak(client)
    assert client.watched is None
    assert client.written == b""
    assert server.interrupted is None


def test_a_client_that_has_left() -> None:
    """Its machine resets the connection when it is spoken to; then the exchange is over."""
    client, server = FakeStream(), FakeStream()
    ClientWatch(client, server, may_probe=True)
    speak(client)
    assert client.written == PROBE
    assert server.interrupted is None
    client.broken = True
    wait_until(lambda: server.interrupted, "the end of the exchange", gevent.sleep)
    assert isinstance(server.interrupted, ClientGone)


def test_a_client_that_has_ended_its_side() -> None:
    """It takes what it is sent, and waits for its response."""
    client, server = FakeStream(), FakeStream()
    ClientWatch(client, server, may_probe=True)
    speak(client)
    for _ in range(10):
        gevent.sleep(0)
    assert server.interrupted is None


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_cannot_be_asked(begun: bool) -> None:
    """One of HTTP/1.0, or whose response has begun, has left when it ends."""
    client, server = FakeStream(), FakeStream()
    watch = ClientWatch(client, server, may_probe=begun)
    watch.response_begins()
    speak(client)
    assert client.written == b""
    assert isinstance(server.interrupted, ClientGone)


def test_a_client_that_takes_nothing_more() -> None:
    """A socket that is broken already tells it at once."""
    client, server = FakeStream(), FakeStream()
    ClientWatch(client, server, may_probe=True)
    client.close()
    speak(client)
    assert isinstance(server.interrupted, ClientGone)


def test_after_its_end_a_watch_wakes_nobody() -> None:
    """The connection to the server may serve somebody else by then."""
    client, server = FakeStream(), FakeStream()
    watch = ClientWatch(client, server, may_probe=True)
    look = client.watched
    speak(client)
    watch.end()
    client.broken = True
    assert look is not None
    look()
    for _ in range(10):
        gevent.sleep(0)
    assert server.interrupted is None
